# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a person asks for: the spec of a StarRocksUpgrade, which is also the playbook's document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import causes
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import GATE_NAMES, GateLimits
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import Guard, parse_guard
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    OUR_CATALOGUE,
    Catalogue,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import (
    Stages,
    parse_stages,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import COMPONENTS, Component
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# What a person may have to accept before a plan is carried out; plan.py says which one a plan needs, and why.
ACKNOWLEDGEMENTS = ("leader-restart", "frontend-outage", "no-way-back", "downgrade")
LEADER_STRATEGIES = ("auto", "transfer", "on-delete")


@dataclass(frozen=True)
class UpgradeSpec:
    """A validated request. `version` or `images` is the target; nothing here has been looked up in a cluster yet.

    `hooks` are names of the catalogue; `held` are the settings that they hold, with the value they hold them at.
    """

    cluster: str
    namespace: str
    version: str = ""
    images: dict[Component, str] = field(default_factory=dict)
    allow_mutable_tags: bool = False
    hooks: tuple[str, ...] = ("quiesce",)
    held: dict[str, str] = field(default_factory=lambda: OUR_CATALOGUE.held(("quiesce",)))
    stages: Stages = field(default_factory=Stages)
    gates: GateLimits = field(default_factory=GateLimits)
    rollback: str = "automatic"
    leader_strategy: str = "auto"
    on_drift: str = "refuse"
    acknowledge: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    pod_failures: dict[str, causes.Rule] = field(default_factory=dict)
    guard: Guard = field(default_factory=Guard)

    @property
    def hash(self) -> str:
        """Identity of the request: which cluster goes where.

        How patiently, with which risks accepted and gates overridden, may change when a killed run is continued.
        """
        return digest([self.cluster, self.namespace, self.version, to_plain(self.images)])


def parse_spec(document: Mapping[str, object], *, namespace: str, catalogue: Catalogue = OUR_CATALOGUE) -> UpgradeSpec:
    """Validate the `spec` of a StarRocksUpgrade; every refusal names field, value and remedy."""
    spec = Reader(document, "spec")
    cluster_ref = spec.section("clusterRef")
    cluster = cluster_ref.text("name", pattern=DNS_LABEL, hint="the StarRocksCluster's metadata.name")
    cluster_ref.done()
    if not cluster:
        raise Refused("spec.clusterRef.name", None, "missing", remedy="name the StarRocksCluster to upgrade")
    version, images = _target(spec.section("target"), spec.flag("allowMutableTags"))
    gates = _gates(spec.section("gates"))
    rollback = spec.section("rollback")
    leader = spec.section("leader")
    hooks = spec.names("hooks", catalogue.holding) if spec.has("hooks") else ("quiesce",)
    result = UpgradeSpec(
        cluster=cluster,
        namespace=namespace,
        version=version,
        images=images,
        allow_mutable_tags=spec.flag("allowMutableTags"),
        hooks=hooks,
        held=catalogue.held(hooks),
        stages=parse_stages(spec.section("stages"), catalogue),
        gates=gates,
        rollback=rollback.choice("policy", ("automatic", "never"), "automatic"),
        leader_strategy=leader.choice("strategy", LEADER_STRATEGIES, "auto"),
        on_drift=spec.choice("onDrift", ("refuse", "leader"), "refuse"),
        acknowledge=spec.names("acknowledge", ACKNOWLEDGEMENTS),
        overrides=tuple(_override(item, f"spec.overrides[{n}]") for n, item in enumerate(spec.items("overrides"))),
        pod_failures=causes.parse_rules(spec.section("podFailures")),
        guard=parse_guard(spec.section("guard")),
    )
    for section in (rollback, leader, spec):
        section.done()
    return result


def _target(target: Reader, allow_mutable: bool) -> tuple[str, dict[Component, str]]:
    version = target.text("version", pattern=r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", hint="an image tag such as 3.3.2")
    section = target.section("images")
    images: dict[Component, str] = {}
    for component in COMPONENTS:
        if section.has(component):
            images[component] = section.text(component)
    section.done()
    target.done()
    if bool(version) == bool(images):
        problem = "give either version or images" if version else "missing"
        raise Refused("spec.target", None, problem, remedy="target: {version: 3.3.2}, or images per component")
    if version:
        check_image(f"x:{version}", "spec.target.version", version, allow_mutable)
    for component, image in images.items():
        check_image(image, f"spec.target.images.{component}", image, allow_mutable)
    return version, images


def check_image(image: str, path: str, shown: str, allow_mutable: bool) -> None:
    """Refuse what is no image reference, and a tag that may mean another image tomorrow."""
    if Image.parse(image, path).mutable and not allow_mutable:
        remedy = "name a full version such as 3.3.2 or a digest, or set allowMutableTags: true"
        raise Refused(path, shown, "a mutable tag, or one without a version", remedy=remedy)


def _gates(gates: Reader) -> GateLimits:
    default = GateLimits()
    result = GateLimits(
        settle_seconds=gates.number("settleSeconds", default.settle_seconds, least=0, most=3600, unit="seconds"),
        consecutive_passes=gates.whole(
            "consecutivePasses", default.consecutive_passes, least=1, most=100, unit="passes"
        ),
        max_replay_lag=gates.whole(
            "maxReplayLag", default.max_replay_lag, least=0, most=10_000_000, unit="journal entries"
        ),
        pod_deadline_seconds=gates.number(
            "podDeadlineSeconds", default.pod_deadline_seconds, least=1, most=86_400, unit="seconds"
        ),
        tablet_deadline_seconds=gates.number(
            "tabletDeadlineSeconds", default.tablet_deadline_seconds, least=1, most=604_800, unit="seconds"
        ),
    )
    gates.done()
    return result


def _override(item: object, path: str) -> Override:
    reader = Reader(item, path)
    gate = reader.choice("gate", GATE_NAMES, "")
    moment_form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    until = reader.text("until", pattern=moment_form, hint="a moment such as 2026-01-31T06:00:00Z")
    reason = reader.text("reason")
    reader.done()
    for name, value in (("gate", gate), ("until", until), ("reason", reason)):
        if not value:
            raise Refused(f"{path}.{name}", None, "missing", remedy="an override names gate, until and reason")
    try:
        moment = datetime.strptime(until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(f"{path}.until", until, "no such moment", remedy="give a date that exists") from None
    return Override(gate, moment.timestamp(), reason)
