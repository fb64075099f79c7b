# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks outside an upgrade: each call is an execution of its own, and nothing that was answered is sent again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import SqlFailed, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Place, Terms
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import Action, PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Answer, Attempt, Outcome
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.hooking import HookRun, alone

BUSY = SqlFailed("too many connections", errno=1040, transient=True)


class FakeSession:
    """Notes what is sent; a statement fails as often as its list of errors says."""

    def __init__(self, **errors: list[Exception]) -> None:
        self.errors = errors
        self.sent: list[str] = []

    def run(self, sql: str, *, timeout: float) -> list[Any]:
        self.sent.append(sql)
        if self.errors.get(sql):
            raise self.errors[sql].pop(0)
        return []


def a_hook(*statements: str, safe: bool = True) -> PlannedHook:
    """A hook that sends statements."""
    actions = tuple(Action("sql", sql=sql, safe=safe) for sql in statements)
    return PlannedHook(
        "a",
        "pre",
        0,
        Place("config_map", "config_map"),
        "sql",
        "ConfigMap a/b.sql",
        actions=actions,
        terms=Terms(backoff_seconds=0),
    )


def the_outcome(hook: PlannedHook, session: FakeSession) -> Outcome:
    """How the hook goes when the settings of the cluster can be seen."""
    view = SimpleNamespace(blind={})
    world = SimpleNamespace(look=lambda **_what: None, snapshot=lambda: SimpleNamespace(leader="prod-fe-0"), view=view)
    run = HookRun(world, None, Clock(), lambda _line: None)  # type: ignore[arg-type]
    return alone(hook, run, Clock(), lambda: session, lambda _line: None)  # type: ignore[arg-type,return-value]


def test_a_retry_goes_on_where_it_stopped() -> None:
    session = FakeSession(second=[BUSY])
    assert the_outcome(a_hook("first", "second", "third"), session).ok
    assert session.sent == ["first", "second", "second", "third"]


def test_a_statement_that_may_have_been_carried_out_is_not_sent_again() -> None:
    session = FakeSession(second=[Unreachable("the connection broke")])
    outcome = the_outcome(a_hook("first", "second", safe=False), session)
    assert "may have been carried out" in outcome.reason
    assert session.sent == ["first", "second"]


def test_each_call_is_an_execution_of_its_own() -> None:
    seen: list[str] = []

    def work(_hook: PlannedHook, attempt: Attempt) -> Answer:
        seen.append(attempt.identity)
        return Answer()

    for _call in range(2):
        alone(a_hook("first"), work, Clock(), lambda: None, lambda _line: None)  # type: ignore[arg-type,return-value]
    assert len(set(seen)) == 2
