# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""`installation.databases`: where the Leases of databases stand, and what the Jobs that migrate them run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.quantity import quantity
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import endpoint_of
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

# Leases of databases stand in one namespace, so that two upgrades in two namespaces meet in the same one.
LEASE_NAMESPACE = "steady-rollout"
_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PLATFORM = r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?"


@dataclass(frozen=True, slots=True)
class Tools:
    """The images of the containers, and how they run.

    crane and Atlas are named by version; a digest is for whoever has seen the image to write down.

    :ivar connection_check_ms: how often PostgreSQL looks whether its client is still there; 0 does not ask for it
    """

    crane: str = "gcr.io/go-containerregistry/crane:v0.22.1"
    atlas: str = "docker.io/arigaio/atlas:0.13.1"
    python: str = "docker.io/library/python:3.13.1-alpine3.21"
    digests_only: bool = False
    platform: str = ""
    insecure_registry: bool = False
    work_size: str = "2Gi"
    lock_seconds: int = 30
    connection_check_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Means:
    """What logging in to databases of AWS takes.

    :ivar python: the interpreter that has botocore; empty for the one that this runs in
    :ivar ca_bundle: a file with the certificates that databases are verified against, or `system`
    """

    python: str = ""
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseRules:
    """How databases are migrated. `prometheus` is the server that checks of the type Prometheus ask."""

    lease_namespace: str = LEASE_NAMESPACE
    prometheus: str = ""
    tools: Tools = field(default_factory=Tools)
    aws: Means = field(default_factory=Means)


def parse_databases(section: Reader) -> DatabaseRules:
    """`databases: {leaseNamespace, prometheus, tools, aws}`."""
    hint = f"the name of a namespace, such as {LEASE_NAMESPACE}, the same everywhere"
    rules = DatabaseRules(
        lease_namespace=section.text("leaseNamespace", LEASE_NAMESPACE, pattern=_NAMESPACE, hint=hint),
        prometheus=section.text("prometheus").rstrip("/"),
        tools=_tools(section.section("tools")),
        aws=_means(section.section("aws")),
    )
    section.done()
    if rules.prometheus:
        endpoint_of(rules.prometheus, section.at("prometheus"))
    return rules


def _tools(section: Reader) -> Tools:
    default = Tools()
    digests_only = section.flag("digestsOnly")
    tools = Tools(
        crane=_image(section, "crane", default.crane, digests_only),
        atlas=_image(section, "atlas", default.atlas, digests_only),
        python=_image(section, "python", default.python, digests_only),
        digests_only=digests_only,
        platform=section.text("platform", pattern=_PLATFORM, hint="such as linux/arm64"),
        insecure_registry=section.flag("insecureRegistry"),
        work_size=quantity(section, "workSize", default.work_size),
        lock_seconds=section.whole("lockSeconds", default.lock_seconds, least=1, most=3600, unit="seconds"),
        connection_check_ms=section.whole(
            "connectionCheckMs", default.connection_check_ms, least=0, most=3_600_000, unit="milliseconds"
        ),
    )
    section.done()
    return tools


def _means(section: Reader) -> Means:
    means = Means(section.text("python"), section.text("caBundle"))
    section.done()
    return means


def _image(section: Reader, name: str, default: str, digests_only: bool) -> str:
    image = section.text(name, default)
    if Image.parse(image, section.at(name)).digest is None and digests_only:
        remedy = f"name it by digest (`make digests` shows them), or set {section.at('digestsOnly')} to false"
        raise Refused(section.at(name), image, "a tag, where only digests are allowed", remedy=remedy)
    return image
