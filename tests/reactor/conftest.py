# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests of the reactor, one operator for those that only look at what it does with objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reactor_suite import OWN, Operator, Team, define, over_all_kinds

from steadylab import Lab

_COUNTER = itertools.count(1)

Start = Callable[..., Operator]


@pytest.fixture(scope="session")
def lab(lab_home: Path) -> Iterator[Lab]:
    """An empty plane that knows the suite's kinds."""
    with Lab.up("reactor", None) as lab:
        define(lab)
        yield lab


@pytest.fixture(scope="session")
def operator(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The reactor with the watches of all kinds."""
    yield from over_all_kinds(lab, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def team(operator: Operator) -> Team:
    """A namespace of its own for each test."""
    return Team(operator.lab, operator.notes, f"team-{next(_COUNTER)}", real=operator.real)


@pytest.fixture
def start(lab: Lab, tmp_path: Path, own_team: Team) -> Iterator[Start]:
    """Starts reactors for one test, over its namespace; none of them outlives it."""
    started: list[Operator] = []

    def make(watches: str, *flags: str, **variables: str) -> Operator:
        started.append(Operator(lab, tmp_path, watches, *flags, **{"WATCH_NAMESPACE": own_team.namespace} | variables))
        return started[-1]

    yield make
    for operator in started:
        operator.kill()
        # pytest shows it where the test has failed.
        print(operator.said)


@pytest.fixture
def own_team(lab: Lab, tmp_path: Path) -> Team:
    """A namespace for a test with a reactor of its own, with kinds that the shared operator does not watch."""
    return Team(lab, tmp_path / "notes", f"own-{next(_COUNTER)}", OWN)
