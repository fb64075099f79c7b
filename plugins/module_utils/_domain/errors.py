# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The errors of this collection. Deep code raises them; only the doors (modules, actions) turn them into results.

Each carries what a person needs at 3 a.m.: what was wrong, the value seen, and what to do. None may ever carry a
secret.
"""

from __future__ import annotations

from collections.abc import Callable


class RolloutError(Exception):
    """Base of all: `reason` is one sentence, `remedy` says what to do, `transient` whether trying again may help."""

    transient = False

    def __init__(self, reason: str, *, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy

    def as_result(self) -> dict[str, object]:
        """The error as module result keys."""
        msg = f"{self.reason}\nRemedy: {self.remedy}" if self.remedy else self.reason
        return {"msg": msg, "reason": self.reason, "remedy": self.remedy, "error": type(self).__name__}

    def hide(self, hidden: Callable[[str], str]) -> None:
        """Take out of its texts what `hidden` takes out of one: an API server may quote what it refuses."""
        self.reason, self.remedy = hidden(self.reason), hidden(self.remedy)
        self.args = (self.reason,)


def missing_package(package: str, least: str, error: ImportError, why: str = "") -> RolloutError:
    """A Python package cannot be imported; `why` follows its name and says what it is needed for."""
    return RolloutError(
        f"The Python package {package} cannot be imported{why}: {error}.",
        remedy=f"Install {package} >= {least} for the Python that runs this task (ansible_python_interpreter).",
    )


class Refused(RolloutError):
    """Input or a state of the cluster that is refused before anything is touched."""

    def __init__(self, field: str, value: object, problem: str, *, remedy: str) -> None:
        shown = "" if value is None else f" = {value!r}"
        super().__init__(f"{field}{shown}: {problem}", remedy=remedy)
        self.field = field
        self.value = value

    def as_result(self) -> dict[str, object]:
        """The error as module result keys, with the field's path and the value."""
        return {**super().as_result(), "field": self.field, "value": self.value}


class Unreachable(RolloutError):
    """The API server or an FE did not answer in time, or the connection broke: trying again may help."""

    transient = True


class Denied(RolloutError):
    """Authentication or authorisation failed (Kubernetes RBAC, FE password or privilege)."""


class NotFound(RolloutError):
    """A Kubernetes object that has to exist does not."""


class Conflict(RolloutError):
    """A precondition did not hold: somebody else changed the object since it was read."""


class LeaseHeld(RolloutError):
    """Another run works on this target."""


class LeaseLost(RolloutError):
    """This run is no longer the one that may write: it must stop at once."""


class SqlFailed(RolloutError):
    """The FE answered a statement with an error."""

    def __init__(self, reason: str, *, errno: int, transient: bool = False, remedy: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.errno = errno
        self.transient = transient
