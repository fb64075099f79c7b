# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One pass over a StarRocksUpgrade: the verbs of the playbook in their order, until something has to be waited for.

What a pass leaves is in the record; the next one, or a play with the same document, goes on from there. The verbs are
imported where they are needed: most passes of an operator find nothing to do, and Ansible compiles what is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    LeaseHeld,
    NotFound,
    Refused,
    RolloutError,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import status
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover, from_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, parse_spec
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import Told
from ansible_collections.steady.rollout.plugins.module_utils._engine import letting_go, objects
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import LABELS, target_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import AGAIN_SECONDS, Waiting
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import cluster_path
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, installation_of

# What a person has to mend first is looked at less often than what goes by itself.
MEND_SECONDS = 60.0
# As in the playbook: a cluster that changes more often than this is not one to upgrade now.
_MOST_PLANS = 12
_UPGRADES = ("upgrade", "downgrade")
# After these the steps that follow are not for this pass; after a failure the last one of a way back still is.
_BREAKS = ("waiting", "replan", "lost")


class NotNow(RolloutError):
    """The plan is refused as things are: somebody has to mend something, or it mends itself."""


@dataclass(frozen=True)
class Ended:
    """How a pass ended: what to tell, the run's record if it has one, and when to look again (None: never)."""

    told: Told
    record: Record | None = None
    again_in: float | None = None


@dataclass
class UpgradePass:
    """One pass over one StarRocksUpgrade. `progress` is what one verb hands to the next."""

    call: Call
    client: KubeClient
    upgrade: Mapping[str, Any]
    progress: str = ""
    changed: bool = False
    lines: list[str] = field(default_factory=list)

    def run(self) -> Result:
        """Go as far as it goes, write the status, and say when to look again."""
        metadata = self.upgrade["metadata"]
        if metadata.get("deletionTimestamp"):
            return self._result("Deleting", "the StarRocksUpgrade is being deleted", None)
        before = self.upgrade.get("status") or {}
        if before.get("phase") in status.FINAL and before.get("observedGeneration") == metadata["generation"]:
            return self._result(before["phase"], str(before.get("message") or ""), None)
        ended = self._attempt()
        self._tell(ended)
        told = ended.told
        return {
            **self._result(told.phase, told.waiting or told.message, ended.again_in),
            "reason": told.reason,
            "remedy": told.remedy,
        }

    def release(self) -> Result:
        """The end of a StarRocksUpgrade that is deleted: its run puts back what it holds, and gives up the lease."""
        why = letting_go.let_go(
            self.client, self.upgrade["metadata"], self.call.clock, self.call.params["release_seconds"]
        )
        if why:
            return self._abandoned(why)
        try:
            owed = self._put_back()
            if not owed:
                self._forget()
        except NotFound as error:
            if self._cluster_stands():
                return self._releasing(error.reason)
            return self._result("Released", "the StarRocksCluster is gone, and nothing is left to put back", None)
        except RolloutError as error:
            return self._releasing(error.reason)
        if owed:
            return self._releasing(owed)
        return self._result("Released", "every setting is back" if self.progress else "nothing is owed", None)

    def _forget(self) -> None:
        """Take our annotation from the StarRocksCluster: it says that settings are held, and fences rely on that."""
        cluster = self.client.get(cluster_path(self._namespace, self._cluster))
        text = (cluster["metadata"].get("annotations") or {}).get(status.MIRROR)
        if status.mirrored_by(text) == self._by and not self.call.check_mode:
            objects.write_mirror(self.client, cluster, None)

    def _releasing(self, owed: str) -> Result:
        """What keeps it, in its status as well: somebody waits for it to go."""
        self._tell(self._waits("Releasing", RolloutError(owed), AGAIN_SECONDS))
        return self._result("Releasing", owed, AGAIN_SECONDS)

    def _abandoned(self, why: str) -> Result:
        """The end of one whose settings could not be put back: they stay in the record, for starrocks_restore."""
        try:
            record = self._own(self._written())
            self._forget()
        except RolloutError as error:
            left = f"what it holds is not known: {error.reason}"
        else:
            if record is None or record.finished:
                return self._result("Released", "nothing is owed", None)
            left = f"left as they are: {', '.join(sorted(record.journal.open_keys)) or 'the lease and the record'}"
        text = f"{left}. {why[0].upper()}{why[1:]}. If the cluster goes on, run starrocks_restore for {self._cluster}."
        if not self.call.check_mode:
            letting_go.tell(self.client, self._regarding, self.call.clock, text, self.call.say)
        return self._result("Abandoned", text, None)

    def _put_back(self) -> str:
        """Put back what the run holds, and give up its lease; what is still owed, empty when nothing is.

        The spec does not matter to that, and may have become one that nobody understands.
        """
        record = self._own(self._written())
        if record is None or record.finished:
            self._give_up_lease()
            return ""
        last = self._carry_out("restore", {})
        if last.get("stopped") or (self._record is not None and not self._record.finished):
            return str(last.get("waits_for") or last.get("reason") or "settings that are still to be put back")
        return ""

    def _give_up_lease(self) -> None:
        """Give up a lease that a pass which was killed still holds."""
        name = target_name(self._cluster)
        state = lease.read(self.client, self._namespace, name)
        if state is not None and state.holder == self.holder:
            lease.release(self.client, lease.Held(self._namespace, name, self.holder, state.resource_version))

    def _cluster_stands(self) -> bool:
        """Whether the StarRocksCluster is there, or may be: something else was not found then."""
        try:
            self.client.get(cluster_path(self._namespace, self._cluster))
        except NotFound:
            return False
        except RolloutError:
            # Who does not see it does not know that it is gone.
            return True
        return True

    # -- what is asked for -----------------------------------------------------------------------------------------

    @property
    def holder(self) -> str:
        """Who holds the lease: the same in every pass, so that nobody waits for his own lease to run out."""
        return f"starrocksupgrade/{self.upgrade['metadata']['uid']}"

    @property
    def _by(self) -> str:
        """Whose preparation it is, as the annotation on the StarRocksCluster says."""
        return f"StarRocksUpgrade/{self.upgrade['metadata']['name']}"

    @property
    def _namespace(self) -> str:
        return str(self.upgrade["metadata"]["namespace"])

    @property
    def _spec(self) -> dict[str, Any]:
        return dict(self.upgrade.get("spec") or {})

    @property
    def _cluster(self) -> str:
        return str((self._spec.get("clusterRef") or {}).get("name") or "")

    def _parsed(self) -> UpgradeSpec:
        catalogue = Catalogue.of(installation_of(self.call.params).hooks.catalogue)
        return parse_spec(self._spec, namespace=self._namespace, catalogue=catalogue)

    @property
    def _handover(self) -> Handover | None:
        return from_text(self.progress, cluster=self._cluster, namespace=self._namespace) if self.progress else None

    @property
    def _record(self) -> Record | None:
        handover = self._handover
        return load(handover.record, cluster=self._cluster) if handover and handover.record else None

    # -- the pass --------------------------------------------------------------------------------------------------

    def _attempt(self) -> Ended:
        """The pass with its errors as what they mean: wait, or somebody has to mend something."""
        try:
            refused = self._refused()
            return self._pass() if refused is None else self._give_up(refused)
        except LeaseHeld as held:
            return self._waits("LeaseHeld", held, AGAIN_SECONDS)
        except Waiting as waiting:
            return self._waits("GateRefused" if waiting.gate else "Waiting", waiting, waiting.again_in)
        except (Refused, NotNow) as error:
            return self._waits("Refused", error, MEND_SECONDS)
        except (Denied, NotFound) as error:
            return self._waits(type(error).__name__, error, MEND_SECONDS)
        except RolloutError as error:
            return self._waits("Unreachable" if error.transient else "Error", error, AGAIN_SECONDS)

    def _refused(self) -> Refused | None:
        """Why the spec cannot be understood."""
        try:
            self._parsed()
        except Refused as refused:
            return refused
        return None

    def _give_up(self, refused: Refused) -> Ended:
        """The end of a spec that cannot be understood. A run that an earlier one has begun puts back what it holds."""
        owed = self._put_back()
        if owed:
            raise Waiting(f"{refused.reason}; {owed}", remedy=refused.remedy)
        return Ended(Told("Failed", "InvalidSpec", refused.reason, refused.remedy), self._own(self._record))

    def _waits(self, reason: str, error: RolloutError, again_in: float) -> Ended:
        record = self._own(self._record)
        phase = status.phase_of(record) if record is not None else "Pending"
        phase = "Running" if phase in status.FINAL else phase
        return Ended(Told(phase, reason, error.reason, error.remedy, waiting=error.reason), record, again_in)

    def _own(self, record: Record | None) -> Record | None:
        return record if record is not None and record.run == self.holder else None

    def _pass(self) -> Ended:
        record = self._own(self._written())
        if record is not None and self._ended_before(record):
            return self._end(record)
        direction = next_direction(record, self._parsed().hash)
        seen = self._look(self._spec, "upgrade" if direction == "upgrade" else "look")
        last: Result = {}
        for _attempt in range(_MOST_PLANS):
            last = self._carry_out(direction, self._spec, seen)
            if last.get("stopped") not in ("replan", "failed"):
                break
            if direction == "restore" and last["stopped"] == "failed":
                # Another attempt at once would wait for the same again; nothing ends before it has succeeded.
                raise Waiting(str(last["reason"]), remedy=str(last["remedy"]))
            handover = self._handover
            direction = "rest" if last["stopped"] == "replan" or handover is None else handover.way_back
            seen = self._look(self._spec, "look")
        return self._after(last)

    def _written(self) -> Record | None:
        """The record as it stands in the cluster: whose run it is decides how to look."""
        store = RecordStore(self.client, self._namespace, target_name(self._cluster), LABELS)
        data, _version = store.load()
        return load(data, cluster=self._cluster) if data else None

    def _ended_before(self, record: Record) -> bool:
        """Whether this very request's run came to its end, and the pass that ended it could not say so any more."""
        before = self.upgrade.get("status") or {}
        began = before.get("observedGeneration") == self.upgrade["metadata"]["generation"] and before.get("startTime")
        return record.finished and bool(record.outcome) and bool(began) and record.started_at >= str(began)

    def _after(self, last: Result) -> Ended:
        record = self._own(self._record)
        if last.get("stopped") == "waiting":
            raise Waiting(str(last["waits_for"]), again_in=float(last["again_in"]), gate=str(last.get("gate") or ""))
        if last.get("stopped") == "lost":
            raise Waiting(str(last["reason"]), remedy=str(last["remedy"]))
        if last.get("outcome") == "paused":
            return Ended(Told("Running", "Paused", "goes on at once"), record, 1.0)
        if not last:
            return Ended(Told("Succeeded", "UpToDate", "every pod runs the wanted image already"), record)
        handover = self._handover
        if record is not None and not record.outcome and record.journal.open_keys:
            raise Waiting(f"settings that are still to be put back: {', '.join(sorted(record.journal.open_keys))}")
        if record is None or not record.outcome:
            reason = handover.reason if handover else ""
            return Ended(Told("Failed", "Failed", reason, handover.remedy if handover else ""), record)
        return self._end(record)

    def _end(self, record: Record) -> Ended:
        if not record.finished:
            owed = ", ".join(sorted(record.journal.open_keys))
            raise Waiting(f"settings that are still to be put back: {owed}")
        phase = status.phase_of(record)
        message = record.reason or f"{', '.join(f'{c} {image}' for c, image in sorted(record.target.items()))}"
        return Ended(Told(phase, phase, message, record.remedy), record)

    def _look(self, spec: dict[str, Any], purpose: str) -> Result:
        from ansible_collections.steady.rollout.plugins.module_utils._module import info

        params = {"purpose": purpose, "spec": spec, "progress": self.progress, "wait_for_lease": 0.0}
        seen = info.run(self._call(**params))
        self.progress = str(seen["progress"])
        return seen

    def _carry_out(self, direction: str, spec: dict[str, Any], seen: Result | None = None) -> Result:
        """One plan, step by step; the last step's result, empty when there was nothing to do."""
        from ansible_collections.steady.rollout.plugins.module_utils._module import plan

        seen = seen or self._look(spec, "look")
        planned = plan.run(self._call(**_for_plan(seen, spec, direction, self.holder)))
        if planned.get("failed"):
            raise NotNow(str(planned["reason"]), remedy=str(planned["remedy"]))
        made = from_plain(Plan, planned["plan"], "plan")
        if made.steps and self.call.check_mode:
            self.lines += planned["rollout"]["lines"]
            self.changed = True
            return {"outcome": "paused"}
        if made.steps:
            self._announce()
        began = self.call.clock.ticks()
        last: Result = {}
        for one in made.steps:
            if one.done or self._begun(made, one):
                continue
            if self.call.clock.ticks() - began > self.call.params["pass_seconds"]:
                return {"outcome": "paused"}
            last = self._step(made, one, spec, direction)
            if last["stopped"] in _BREAKS:
                break
        return last

    def _begun(self, made: Plan, one: Step) -> bool:
        """Whether the run was begun by an earlier pass of ours, and everything it switched off is still journaled."""
        record = self._own(self._record)
        if one.kind != "begin" or made.direction not in _UPGRADES or record is None or record.phase != "running":
            return False
        known = record.steps.get(one.id)
        return not record.outcome and known is not None and known.state == "done"

    def _announce(self) -> None:
        """Say that this generation's run begins, before anything is done: see _ended_before."""
        before = self.upgrade.get("status") or {}
        if before.get("observedGeneration") != self.upgrade["metadata"]["generation"]:
            self._tell(Ended(Told("Running", "Begins", "the run begins")))

    def _step(self, made: Plan, one: Step, spec: dict[str, Any], direction: str) -> Result:
        from ansible_collections.steady.rollout.plugins.module_utils._module import step

        handover = self._handover
        if direction == "restore" and handover is not None and (record := self._own(self._record)) is not None:
            # A way back that was broken off ends as what it is, also in a later pass.
            self.progress = replace(handover, outcome=record.outcome or ("failed" if record.reason else "")).to_text()
        result = step.run(
            self._call(
                plan=made.to_plain(),
                step=one.id,
                spec=spec,
                progress=self.progress,
                holder=self.holder,
                patience=self.call.params["patience"],
                regarding=self._regarding,
            )
        )
        self.progress = str(result["progress"])
        self.changed = self.changed or bool(result["changed"])
        if result["outcome"] not in ("skipped", "unchanged"):
            text = result.get("waits_for") or result["reason"] or ""
            self.lines.append(f"{one.title}: {result['outcome']}{f', {text}' if text else ''}")
        return result

    @property
    def _regarding(self) -> Regarding:
        metadata = self.upgrade["metadata"]
        return Regarding(
            objects.UPGRADE_API, "StarRocksUpgrade", metadata["name"], metadata["namespace"], metadata["uid"]
        )

    def _call(self, **params: Any) -> Call:
        """The call of another verb with this one's connection."""
        known = {**self.call.params, "cluster": self._cluster, "namespace": self._namespace, **params}
        return replace(self.call, params=known)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _tell(self, ended: Ended) -> None:
        """The status of the StarRocksUpgrade, and the mirror of its preparation on the StarRocksCluster."""
        if self.call.check_mode:
            return
        before, metadata = self.upgrade.get("status") or {}, self.upgrade["metadata"]
        now = self.call.clock.stamp()
        wanted = status.upgrade_status(ended.told, ended.record, before, metadata["generation"], now)
        if ended.record is not None:
            preparation = status.preparation_of(ended.record, self._spec.get("hooks") or ("quiesce",))
            wanted[objects.STATUS_FIELD] = status.preparation_status(preparation)
            self._mirror(status.mirror(preparation, by=self._by))
        if objects.write_status(self.client, self.upgrade, wanted):
            self.upgrade = {**self.upgrade, "status": wanted}

    def _mirror(self, text: str | None) -> None:
        try:
            cluster = self.client.get(cluster_path(self._namespace, self._cluster))
            objects.write_mirror(self.client, cluster, text)
        except (NotFound, Denied) as error:
            self.call.say(f"no mirror on the StarRocksCluster: {error.reason}")

    def _result(self, phase: str, message: str, again_in: float | None) -> Result:
        due = None if again_in is None else round(max(1.0, again_in), 1)
        line = f"{self.upgrade['metadata']['name']}: {phase}{f', {message}' if message else ''}"
        tail = f"look again in {due:g} s" if due is not None else "nothing is due"
        return {
            "changed": self.changed,
            "phase": phase,
            "message": message,
            "reason": "",
            "remedy": "",
            "requeue_after": due,
            "finished": due is None,
            "rollout": {"type": "info", "lines": [*self.lines, line, tail]},
        }


def next_direction(record: Record | None, spec_hash: str) -> str:
    """Where a pass goes, from the record of its own run: `upgrade` where a run begins.

    A run that has ended and still owes settings puts those back, and does nothing else again for the same request.
    """
    if record is None or record.finished:
        return "upgrade"
    if record.outcome:
        return "restore" if record.spec_hash == spec_hash else "upgrade"
    return going(record)


def going(record: Record) -> str:
    """How a run that is under way goes on: ahead, or on the way back that a failed step has begun."""
    failed = {known.kind for known in record.steps.values() if known.state == "failed"}
    if failed & {"restore", "rollback-pod"}:
        return "restore"
    stages = {step_id.partition("/")[0] for step_id, known in record.steps.items() if known.state == "failed"}
    if failed == {"begin"} or stages == {"pre"}:
        return "release"
    return "rollback" if failed else "rest"


def _for_plan(seen: Result, spec: dict[str, Any], direction: str, holder: str) -> dict[str, Any]:
    others = seen["lease"] if seen["lease"]["holder"] != holder else None
    return {
        "snapshot": seen["snapshot"],
        "record": seen["record"],
        "lease": others,
        "spec": spec,
        "hooks": seen["hooks"],
        "direction": direction,
        "approved_hash": "",
    }
