# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DBUpgrade may be deleted after any write: what writes is not cut off, what has not begun never begins."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan, release

from .world import Upgrade, World, a_spec, a_world, settle

# More writes than a whole undertaking has.
WRITES = 40
ROUNDS = 20


def deleted_after(writes: int) -> tuple[World, Upgrade]:
    """A world in which a runner has come so far."""
    upgrade = Upgrade("orders", "shop", a_spec("v2"))
    world = a_world(upgrade)
    for _write in range(writes):
        world.go_on(upgrade)
    return world, upgrade


def released(world: World, upgrade: Upgrade) -> list[plan.Action]:
    """Passes until nothing is left to do; what was done."""
    done: list[plan.Action] = []
    for _round in range(ROUNDS):
        seen = world.look(upgrade)
        decision = release.decide(seen.snapshot, seen.record)
        if not isinstance(decision.action, plan.Wait):
            done.append(decision.action)
            world.act(upgrade, seen, decision.action)
        elif not decision.action.seconds:
            assert decision.state == release.RELEASED
            return done
        else:
            world.now += decision.action.seconds
            for job in world.writing():
                world.finish(job)
            world.bury()
    raise AssertionError(f"it does not come to an end: {done}")


@pytest.mark.parametrize("writes", range(WRITES))
def test_after_any_write_the_lease_is_free_and_nothing_is_cut_off(writes: int) -> None:
    world, upgrade = deleted_after(writes)
    running = [job.uid for job in world.writing()]
    ran = sum(world.ran.values())
    done = released(world, upgrade)
    assert all(lease.holder == "" and lease.job == "" for lease in world.leases.values())
    assert [action.uid for action in done if isinstance(action, plan.DeleteJob) and action.uid in running] == []
    assert world.writing() == []
    assert sum(world.ran.values()) == ran, "nothing begins any more"


def test_a_job_that_writes_keeps_the_lease_renewed() -> None:
    world, upgrade = deleted_after(0)
    while not world.writing():
        world.go_on(upgrade)
    world.now += plan.LEASE_SECONDS - plan.RENEW_BELOW + 1
    seen = world.look(upgrade)
    decision = release.decide(seen.snapshot, seen.record)
    assert isinstance(decision.action, plan.RenewLease)
    assert world.writing()[0].order.name(upgrade.owner) in decision.state.message


def test_another_lease_and_another_objects_record_are_left_alone() -> None:
    world, upgrade = deleted_after(0)
    settle(world, upgrade)
    other = Upgrade("orders", "shop", a_spec("v2"), uid="uid-2", record=upgrade.record)
    lease = world.leases[world.lease_name(upgrade)]
    lease.holder = "dbupgrade/shop/someone/uid-9"
    seen = world.look(other)
    assert release.decide(seen.snapshot, seen.record).action == plan.Wait(0)
    assert release.decide(seen.snapshot, None).action == plan.Wait(0)
    assert lease.holder == "dbupgrade/shop/someone/uid-9"
