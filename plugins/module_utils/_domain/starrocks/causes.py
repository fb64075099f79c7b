# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Why a pod does not come up, and how long each cause may last before it counts as failed.

The table exists because both mistakes are expensive: waiting for the deadline with an image that can never start, and
rolling production back because a registry hiccuped. Reasons are those the kubelet writes into a container's waiting
state (kubernetes pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime) and the scheduler into the PodScheduled
condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod


@dataclass(frozen=True)
class Rule:
    """Fatal once the cause has been seen for `seconds` and the container restarted `restarts` times; else it waits."""

    fatal: bool
    seconds: float = 0.0
    restarts: int = 0


DEFAULT_RULES: dict[str, Rule] = {
    "InvalidImageName": Rule(True),
    "ErrImageNeverPull": Rule(True),
    # The registry answered that there is no such image or no right to it: asking again seldom helps.
    "ImageMissing": Rule(True, seconds=10),
    # Everything else about pulling may be the registry's bad five minutes.
    "ErrImagePull": Rule(True, seconds=300),
    "ImagePullBackOff": Rule(True, seconds=300),
    "RegistryUnavailable": Rule(True, seconds=300),
    "CrashLoopBackOff": Rule(True, restarts=2),
    "OOMKilled": Rule(True, restarts=2),
    "CreateContainerConfigError": Rule(True, seconds=60),
    "CreateContainerError": Rule(True, seconds=60),
    "RunContainerError": Rule(True, seconds=60),
    # A cluster autoscaler needs minutes to bring a node.
    "Unschedulable": Rule(True, seconds=600),
}

_MISSING = re.compile(r"not found|manifest unknown|does not exist|unauthorized|denied|forbidden", re.IGNORECASE)
_PULL = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True)
class Cause:
    """What keeps a pod from coming up: `name` is a key of the table, `text` what a person reads."""

    name: str
    text: str
    restarts: int


@dataclass(frozen=True)
class Judgement:
    """`fatal` ends the wait now; otherwise the cause is shown, with the seconds it has left (None: no end)."""

    cause: Cause
    fatal: bool
    remaining: float | None
    restarts_left: int = 0

    @property
    def patience(self) -> str:
        """How long it may go on, as the end of a sentence."""
        if self.remaining is None:
            return "; not fatal by itself"
        if self.restarts_left:
            return f"; given up after {self.restarts_left} more restart(s)"
        return f"; given up in {self.remaining:.0f} s"


def parse_rules(section: Reader) -> dict[str, Rule]:
    """The table with a person's changes: `podFailures: {ImagePullBackOff: {fatal: true, seconds: 60}}`."""
    rules = {}
    for name, default in DEFAULT_RULES.items():
        if section.has(name):
            entry = section.section(name)
            rules[name] = Rule(
                entry.flag("fatal", default.fatal),
                entry.number("seconds", default.seconds, least=0, most=86_400, unit="seconds"),
                entry.whole("restarts", default.restarts, least=0, most=100, unit="restarts"),
            )
            entry.done()
    section.done()
    return rules


def find(pod: Pod) -> Cause | None:
    """The cause a pod shows, most telling first; None when it shows nothing wrong."""
    for state in pod.terminated:
        if state.reason == "OOMKilled":
            return Cause("OOMKilled", f"{pod.name}: container {state.container} was killed for memory", pod.restarts)
    for state in pod.waiting:
        name = "ImageMissing" if state.reason in _PULL and _MISSING.search(state.message) else state.reason
        if name in DEFAULT_RULES:
            detail = f": {state.message}" if state.message else ""
            text = f"{pod.name}: {state.reason} for {pod.image}{detail} (restarts {pod.restarts})"
            return Cause(name, text, pod.restarts)
    if pod.unschedulable:
        return Cause("Unschedulable", f"{pod.name}: {pod.unschedulable}", pod.restarts)
    return None


def judge(cause: Cause, seen_for: float, rules: Mapping[str, Rule]) -> Judgement:
    """Whether a cause that has been seen for so many seconds ends the wait."""
    rule = rules.get(cause.name, DEFAULT_RULES[cause.name])
    if not rule.fatal:
        return Judgement(cause, False, None)
    fatal = seen_for >= rule.seconds and cause.restarts >= rule.restarts
    left = max(0, rule.restarts - cause.restarts)
    return Judgement(cause, fatal, max(0.0, rule.seconds - seen_for), left)
