# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Rules that one field alone cannot state, each written once and read twice: as CEL by the API server, and by Python.

A rule is an expression of the few words below. `cel()` is its text in a CRD's `x-kubernetes-validations`; `holds()`
answers the same question about plain dicts. A test asks both about generated documents and compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Document = Mapping[str, object]


class Expression(Protocol):
    """A yes-or-no question about an object and, on an update, about what it was before."""

    def cel(self) -> str:
        """The question in the Common Expression Language."""

    def holds(self, new: Document, old: Document) -> bool:
        """The answer; `old` is empty where the rule does not look at it."""


def value_at(document: Document, path: str) -> object:
    """The value at a dotted path, None when any part of the way is missing."""
    found: object = document
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _present(path: str, root: str) -> str:
    """`has()` sees only the last step of a path, so each optional step before it is asked for as well."""
    names = path.split(".")
    return " && ".join(f"has({root}.{'.'.join(names[: end + 1])})" for end in range(len(names)))


def _quoted(text: str) -> str:
    """A CEL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@dataclass(frozen=True, slots=True)
class Has:
    """The field is given."""

    path: str

    def cel(self) -> str:
        """As CEL."""
        return f"({_present(self.path, 'self')})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return value_at(new, self.path) is not None


@dataclass(frozen=True, slots=True)
class Is:
    """The field, which is always there, has one of these values."""

    path: str
    values: tuple[str, ...]

    def cel(self) -> str:
        """As CEL."""
        return f"self.{self.path} in [{', '.join(map(_quoted, self.values))}]"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return value_at(new, self.path) in self.values


@dataclass(frozen=True, slots=True)
class Matches:
    """The field, which is always there, holds a match of the pattern when it is written as text."""

    path: str
    pattern: str

    def cel(self) -> str:
        """As CEL."""
        return f"string(self.{self.path}).matches({_quoted(self.pattern)})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return re.search(self.pattern, str(value_at(new, self.path))) is not None


@dataclass(frozen=True, slots=True)
class Shorter:
    """The field, which is always there, is a text of at most so many characters."""

    path: str
    most: int

    def cel(self) -> str:
        """As CEL."""
        return f"size(self.{self.path}) <= {self.most}"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return len(str(value_at(new, self.path))) <= self.most


@dataclass(frozen=True, slots=True)
class EndsWith:
    """The field, which is always there, ends with this text."""

    path: str
    end: str

    def cel(self) -> str:
        """As CEL."""
        return f"self.{self.path}.endsWith({_quoted(self.end)})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return str(value_at(new, self.path)).endswith(self.end)


@dataclass(frozen=True, slots=True)
class Names:
    """One field, which is always there, holds the other between two dots."""

    path: str
    part: str

    def cel(self) -> str:
        """As CEL."""
        return f"self.{self.path}.contains('.' + self.{self.part} + '.')"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return f".{value_at(new, self.part)}." in str(value_at(new, self.path))


@dataclass(frozen=True, slots=True)
class Filled:
    """The list or mapping is given and not empty."""

    path: str

    def cel(self) -> str:
        """As CEL."""
        return f"({_present(self.path, 'self')} && size(self.{self.path}) > 0)"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return bool(value_at(new, self.path))


@dataclass(frozen=True, slots=True)
class Same:
    """The field is what it was, also when that was absent. Makes the rule one about updates alone."""

    path: str

    def cel(self) -> str:
        """As CEL."""
        now, before = _present(self.path, "self"), _present(self.path, "oldSelf")
        equal = f"self.{self.path} == oldSelf.{self.path}"
        return f"({now}) == ({before}) && (!({now}) || {equal})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return value_at(new, self.path) == value_at(old, self.path)


@dataclass(frozen=True, slots=True)
class Before:
    """The field was given before the update."""

    path: str

    def cel(self) -> str:
        """As CEL."""
        return f"({_present(self.path, 'oldSelf')})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return value_at(old, self.path) is not None


@dataclass(frozen=True, slots=True)
class Stays:
    """The field is given exactly if it was given before the update."""

    path: str

    def cel(self) -> str:
        """As CEL."""
        return f"({_present(self.path, 'self')}) == ({_present(self.path, 'oldSelf')})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return (value_at(new, self.path) is None) == (value_at(old, self.path) is None)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    what: Expression

    def cel(self) -> str:
        """As CEL."""
        return f"!({self.what.cel()})"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return not self.what.holds(new, old)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of them; asked in order, so that a later one may rely on an earlier one's no."""

    parts: tuple[Expression, ...]

    def cel(self) -> str:
        """As CEL."""
        return "(" + " || ".join(part.cel() for part in self.parts) + ")"

    def holds(self, new: Document, old: Document) -> bool:
        """As Python."""
        return any(part.holds(new, old) for part in self.parts)


def implies(when: Expression, then: Expression) -> AnyOf:
    """`then` must hold where `when` does."""
    return AnyOf((Not(when), then))


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression, the field it is about (relative to the object that carries the rule) and what to say."""

    field: str
    expression: Expression
    problem: str
    remedy: str
    on_update: bool = False

    def as_validation(self) -> dict[str, object]:
        """The entry of `x-kubernetes-validations`."""
        validation: dict[str, object] = {
            "rule": self.expression.cel(),
            "message": f"{self.problem}; {self.remedy}",
            "reason": "FieldValueForbidden" if self.on_update else "FieldValueInvalid",
        }
        # The API server takes no path into metadata, whose schema is not the CRD's.
        if not self.field or self.field.startswith("metadata."):
            return validation
        return {**validation, "fieldPath": f".{self.field}"}

    def broken(self, new: Document, old: Document | None) -> bool:
        """Whether it speaks against this object; a rule about updates is silent where there is no earlier one."""
        if self.on_update and old is None:
            return False
        return not self.expression.holds(new, old or {})


def immutable(field: str, remedy: str) -> Rule:
    """A field that stays as it was made, also absent when it was absent."""
    return Rule(field, Same(field), f"database.{field} is immutable", remedy, on_update=True)


MOVE = "make another DBUpgrade for another database"
OWN_SECRET = "name the Secret and key that hold the database's URL"
_SELF_HOSTED = Is("type", ("selfHosted",))
_AWS = Is("type", ("awsRds", "awsAurora"))
AWS_FIELDS = ("roleArn", "region", "host", "port", "dbName", "username", "engine")


def _aws_field(name: str) -> Rule:
    """Where `aws` comes or goes, one rule says so; the rules of its fields are silent then."""
    unchanged = AnyOf((Not(Has("aws")), Not(Before("aws")), Same(f"aws.{name}")))
    return Rule(f"aws.{name}", unchanged, f"database.aws.{name} is immutable", MOVE, on_update=True)


# A transition rule on an optional field is not asked when the field comes or goes, so all of them stand on `database`,
# which is always there (kubernetes.io/docs/tasks/extend-kubernetes/custom-resources, "Transition rules").
DATABASE = (
    Rule(
        "connection",
        implies(_SELF_HOSTED, Has("connection")),
        "type selfHosted requires connection.urlSecretRef",
        OWN_SECRET,
    ),
    Rule(
        "aws",
        implies(_SELF_HOSTED, Not(Has("aws"))),
        "aws does not go with type selfHosted",
        "remove it, or set type to awsRds or awsAurora",
    ),
    Rule(
        "",
        implies(_AWS, AnyOf((Has("aws"), Has("connection")))),
        "type awsRds and awsAurora require either aws or connection.urlSecretRef",
        "give aws to log in with an IAM token, or connection to use a URL of your own",
    ),
    Rule(
        "aws",
        AnyOf((Not(Has("aws")), Not(Has("connection")))),
        "aws and connection are both given",
        "keep the one that shall be used",
    ),
    immutable("type", MOVE),
    Rule(
        "connection.urlSecretRef",
        Same("connection"),
        "database.connection.urlSecretRef is immutable",
        "change the content of the Secret, which is followed, or " + MOVE,
        on_update=True,
    ),
    Rule("aws", Stays("aws"), "database.aws is immutable: it can be neither added nor removed", MOVE, on_update=True),
    *(_aws_field(name) for name in AWS_FIELDS),
)

# Endpoints of the public partitions (docs.aws.amazon.com/general/latest/gr/rds-service.html).
RDS_SUFFIXES = (".rds.amazonaws.com", ".rds.amazonaws.com.cn", ".rds.amazonaws.eu")

AWS = (
    Rule(
        "host",
        implies(AnyOf(tuple(EndsWith("host", end) for end in RDS_SUFFIXES)), Names("host", "region")),
        "host is in another region than region says",
        "give the region that the host's name holds",
    ),
)

METRIC_TYPES = ("Pods", "Object", "External", "Prometheus")
_NEEDED = {
    "Pods": ("pods", "give target.pods.selector, which says whose metric it is"),
    "Object": ("object", "give target.object, which says whose metric it is"),
    "Prometheus": ("prometheus", "give target.prometheus.query"),
}

TARGET = (
    *(
        Rule(field, implies(Is("type", (kind,)), Has(field)), f"type {kind} requires target.{field}", remedy)
        for kind, (field, remedy) in _NEEDED.items()
    ),
    *(
        Rule(
            kind.lower(),
            implies(Has(kind.lower()), Is("type", (kind,))),
            f"{kind.lower()} goes only with type {kind}",
            f"remove it, or set type to {kind}",
        )
        for kind in METRIC_TYPES
    ),
)

THRESHOLD = (
    Rule(
        "value",
        # The digits before an exponent or a suffix: one of them has to be another than 0.
        Matches("value", r"^[+-]?[0-9.]*[1-9]"),
        "a threshold of zero",
        'give another quantity, such as "1" with operator LessThan for none at all',
    ),
)

SELECTOR = (
    Rule(
        "",
        AnyOf((Filled("matchLabels"), Filled("matchExpressions"))),
        "the selector is empty and would select every pod",
        "give matchLabels or matchExpressions",
    ),
)

EXPRESSION = (
    Rule(
        "values",
        implies(Is("operator", ("In", "NotIn")), Filled("values")),
        "In and NotIn require values",
        "list at least one value",
    ),
    Rule(
        "values",
        implies(Is("operator", ("Exists", "DoesNotExist")), Not(Filled("values"))),
        "Exists and DoesNotExist take no values",
        "remove values",
    ),
)

# The name is the value of a label and a part of the names of Jobs.
LONGEST_NAME = 63
NAME = (
    Rule(
        "metadata.name",
        Shorter("metadata.name", LONGEST_NAME),
        f"the name is longer than {LONGEST_NAME} characters",
        "choose a shorter one",
    ),
)
