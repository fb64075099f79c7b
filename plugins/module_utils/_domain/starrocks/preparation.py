# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The preparation of a StarRocksCluster for an upgrade that somebody else carries out: when it begins, when it ends.

A trigger on the object asks for it. Its hooks are run once, what they switched off is held, and it is put back when
the image change has rolled out, when the trigger goes, or when no image change comes in time. Nothing but a trigger
begins one, and one that has ended begins anew only for another request or other images, never because time passed.

`decide` is a function of what is asked for, what is seen and what was written down before. It is called again and again
by whoever carries its answers out, until it says that there is nothing to do now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component

# The words of the first proposal (StarRocksClusterStatus.upgradePreparationStatus.phase).
Phase = Literal["Pending", "Running", "Completed", "Failed"]
HookResult = Literal["Running", "Succeeded", "Failed", "Skipped"]
# Why a preparation ended; empty while it is in force. "taken-over": an upgrade has put the settings back in its end.
End = Literal["", "rolled-out", "trigger-removed", "replaced", "expired", "failed", "invalid", "taken-over"]
# What to do now. "forget": nothing is left of it but our own status on the object, and that goes too.
Act = Literal["nothing", "wait", "arm", "run", "hold", "restore", "report", "forget"]

# How soon a held preparation is looked after: an FE that restarts comes back with the values of its fe.conf.
HOLD_SECONDS = 15.0
WAIT_SECONDS = 15.0
# Ends after which the very same request has been served.
_SERVED: tuple[End, ...] = ("rolled-out", "expired", "failed", "taken-over")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a trigger asks for. `request` identifies its hooks; `target` are the images it names, if it names any."""

    request: str
    timeout_seconds: float
    target: dict[Component, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of the cluster: the images that its spec states, and what keeps them from being rolled out.

    `rolling`: a pod runs another image than the spec's. `unsettled`: why the cluster is not at rest, empty when every
    pod runs the spec's image and every member is up. `busy`: another run that works on the cluster. `owed`: settings
    that the journal still holds.
    """

    images: dict[Component, str]
    now: float
    rolling: bool = False
    unsettled: str = ""
    busy: str = ""
    owed: bool = False


@dataclass(frozen=True, slots=True)
class HookDone:
    """How one hook went. Times are RFC 3339."""

    name: str
    result: HookResult
    message: str = ""
    started_at: str = ""
    finished_at: str = ""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is written down of a preparation. `images` are those of the spec when it began, `latest` those seen last.

    `changed`: an image change was seen since it began, or was under way then. `holds`: its hooks switched settings off.
    `restored`: nothing is owed any more. `shown`: the object's definition keeps our field of the status.
    Times are RFC 3339; `latest_at` is when the images changed last.
    """

    request: str
    phase: Phase
    images: dict[Component, str]
    latest: dict[Component, str]
    reason: str = ""
    message: str = ""
    target: dict[Component, str] = field(default_factory=dict)
    timeout_seconds: float = 0.0
    hooks: tuple[HookDone, ...] = ()
    changed: bool = False
    holds: bool = False
    armed_at: str = ""
    prepared_at: str = ""
    latest_at: str = ""
    finished_at: str = ""
    end: End = ""
    restored: bool = False
    shown: bool = False

    @property
    def held(self) -> bool:
        """Whether the hooks are done and what they switched off is in force."""
        return self.phase == "Completed" and not self.end


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and the state to write down before it is done. `again_in`: seconds, None when nothing is due."""

    act: Act
    state: Preparation | None
    again_in: float | None = None


def decide(wish: Wish | str | None, seen: Seen, state: Preparation | None) -> Decision:
    """The next act. `wish` is None without a trigger, and a sentence where the trigger cannot be understood."""
    if state is not None and state.end and not state.restored:
        return _restoring(seen, state)
    if wish is None:
        return _without_trigger(seen, state)
    if isinstance(wish, str):
        return _not_understood(wish, seen, state)
    if state is None or (state.end and not _served(wish, seen, state)):
        return _begin(wish, seen, state)
    if state.end:
        return Decision("nothing", state)
    if wish.request != state.request:
        return Decision("restore", ended(state, "replaced", "the trigger asks for other hooks now", seen))
    return _go_on(wish, seen, replace(state, target=wish.target, timeout_seconds=wish.timeout_seconds))


def _served(wish: Wish, seen: Seen, state: Preparation) -> bool:
    """Whether an ended preparation was for this request, and no image has changed since."""
    return (
        state.end in _SERVED
        and (wish.request, wish.target) == (state.request, state.target)
        and seen.images == state.latest
    )


def _restoring(seen: Seen, state: Preparation) -> Decision:
    if seen.busy:
        return Decision("wait", replace(state, message=_waits_for(seen.busy)), WAIT_SECONDS)
    return Decision("restore", state)


def _without_trigger(seen: Seen, state: Preparation | None) -> Decision:
    if state is None:
        return Decision("nothing", None)
    if state.end or not state.armed_at:
        return Decision("forget", None)
    return _restoring(seen, ended(state, "trigger-removed", "the trigger was removed", seen))


def _not_understood(problem: str, seen: Seen, state: Preparation | None) -> Decision:
    if state is not None and not state.end and state.armed_at:
        return _restoring(seen, ended(state, "invalid", problem, seen))
    if state is not None and (state.end, state.message) == ("invalid", problem):
        return Decision("nothing", state)
    blank = Preparation("", "Failed", seen.images, seen.images)
    return Decision("report", replace(ended(blank, "invalid", problem, seen), restored=True))


def _begin(wish: Wish, seen: Seen, before: Preparation | None) -> Decision:
    state = Preparation(
        request=wish.request,
        phase="Pending",
        images=seen.images,
        latest=seen.images,
        reason="Armed",
        target=wish.target,
        timeout_seconds=wish.timeout_seconds,
        changed=seen.rolling or (before is not None and before.end in _SERVED and before.latest != seen.images),
        latest_at=_text(seen.now),
    )
    if _reached(state, seen):
        text = "the cluster runs the images that were asked for already"
        return Decision("report", replace(ended(state, "rolled-out", text, seen), restored=True))
    if seen.busy:
        return Decision("wait", replace(state, reason="Busy", message=_waits_for(seen.busy)), WAIT_SECONDS)
    if seen.unsettled and not state.changed:
        text = f"begins when the cluster is healthy: {seen.unsettled}"
        return Decision("wait", replace(state, reason="ClusterNotReady", message=text), WAIT_SECONDS)
    return Decision("arm", replace(state, phase="Running", armed_at=_text(seen.now), message="the hooks are run"))


def _go_on(wish: Wish, seen: Seen, state: Preparation) -> Decision:
    """A preparation that has not ended."""
    if not state.armed_at:
        return _begin(wish, seen, state)
    state = _look_at_images(state, seen)
    if _reached(state, seen):
        return _restoring(seen, ended(state, "rolled-out", f"rolled out: {_words(seen.images)}", seen))
    if seen.busy:
        return Decision("wait", replace(state, message=_waits_for(seen.busy)), WAIT_SECONDS)
    if not state.prepared_at:
        return Decision("run", state)
    if state.holds and not seen.owed:
        text = "another run has put the settings back in its end"
        return Decision("report", replace(ended(state, "taken-over", text, seen), restored=True))
    left = _seconds_left(state, seen)
    if left is not None and left <= 0:
        text = f"no image change came within {state.timeout_seconds:g} s"
        return _restoring(seen, ended(state, "expired", text, seen))
    soon = HOLD_SECONDS if left is None else min(HOLD_SECONDS, left)
    reason, text = ("RollingOut", seen.unsettled) if left is None else ("Held", "prepared, waits for the image change")
    return Decision("hold", replace(state, reason=reason, message=text), soon)


def _look_at_images(state: Preparation, seen: Seen) -> Preparation:
    if seen.images == state.latest:
        return replace(state, changed=state.changed or seen.rolling)
    return replace(state, latest=seen.images, latest_at=_text(seen.now), changed=True)


def _reached(state: Preparation, seen: Seen) -> bool:
    """Whether the image change this preparation is for has rolled out."""
    if seen.rolling or seen.unsettled:
        return False
    if state.target:
        return all(seen.images.get(component) == image for component, image in state.target.items())
    return state.changed


def _seconds_left(state: Preparation, seen: Seen) -> float | None:
    """Seconds until nobody is waited for any longer; None while a change is rolling out."""
    if seen.rolling or (state.changed and seen.unsettled):
        return None
    return _patience_end(state) - seen.now


def _patience_end(state: Preparation) -> float:
    return max(_moment(state.prepared_at), _moment(state.latest_at)) + state.timeout_seconds


def held_until(state: Preparation) -> str:
    """When a prepared cluster goes back without an image change, RFC 3339; empty where it waits for none."""
    return _text(_patience_end(state)) if state.held and state.reason == "Held" else ""


def ended(state: Preparation, end: End, message: str, seen: Seen) -> Preparation:
    """The state with the intent to end it, which is carried through even if the trigger comes back meanwhile."""
    return replace(
        state,
        phase=_PHASES.get(end, state.phase),
        end=end,
        reason=_REASONS[end],
        message=message,
        latest=seen.images,
        restored=False,
    )


_PHASES: dict[End, Phase] = {"rolled-out": "Completed", "expired": "Failed", "failed": "Failed", "invalid": "Failed"}


_REASONS: dict[End, str] = {
    "rolled-out": "RolledOut",
    "trigger-removed": "TriggerRemoved",
    "replaced": "TriggerChanged",
    "expired": "NoImageChange",
    "failed": "HookFailed",
    "invalid": "InvalidTrigger",
    "taken-over": "TakenOver",
}


def with_hooks(state: Preparation, hooks: tuple[HookDone, ...]) -> Preparation:
    """The state with the hooks as far as they have come."""
    return replace(state, hooks=hooks)


def prepared(state: Preparation, now: float, *, holds: bool) -> Preparation:
    """The state after the last hook; `holds`: the journal has settings of theirs."""
    message = "prepared, waits for the image change"
    return replace(state, phase="Completed", reason="Held", message=message, prepared_at=_text(now), holds=holds)


def failed(state: Preparation, message: str, seen: Seen) -> Preparation:
    """The state after a critical hook has failed: what was switched off has to come back."""
    return ended(state, "failed", message, seen)


def restored(state: Preparation, now: float) -> Preparation:
    """The state once nothing is owed any more."""
    return replace(state, restored=True, finished_at=_text(now))


def _waits_for(busy: str) -> str:
    return f"waits for {busy}"


def _words(images: Mapping[Component, str]) -> str:
    return ", ".join(f"{component} {image}" for component, image in sorted(images.items()))


def _text(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
