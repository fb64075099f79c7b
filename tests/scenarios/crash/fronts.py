# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who plays a story: one play of a person, or passes over an object, each of which may be the one that is killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from scenarios.cluster import StarRocks
from scenarios.playbook import Driver, Run
from scenarios.reconciling import Passes

Ending = Literal["continue", "restore", "delete"]
LEASE_SECONDS: Final = 3
VARIABLES: Final = {"starrocks_upgrade_lease_seconds": LEASE_SECONDS}
# A pass waits for a while before it leaves the rest to the next one: a story is a few passes then, and not dozens.
PATIENCE: Final = {"patience": 2, "lease_seconds": LEASE_SECONDS}
MOST_PASSES: Final = 20
AT_REST: Final = "nothing is due"
PREPARED: Final = "prepared, waits for the image change"


class Front(Protocol):
    """Plays one story on one cluster."""

    endings: tuple[Ending, ...]

    def tell(self, environment: Mapping[str, str]) -> Run:
        """Play it to its end, or until it is killed; the last run."""

    def delete(self) -> None:
        """Take away the object that asked for it."""

    def go_on(self, ending: Ending) -> None:
        """What follows by itself after the kill and its ending, where no person does anything more."""


@dataclass
class Play:
    """A person runs the playbook; whether it is run again is a person's decision too."""

    driver: Driver
    starrocks: StarRocks
    spec: dict[str, Any]
    endings: tuple[Ending, ...] = ("continue", "restore")

    def tell(self, environment: Mapping[str, str]) -> Run:
        """One play."""
        return self.driver.run(self.driver.document(None, **self.spec), environment=environment, **VARIABLES)

    def delete(self) -> None:
        """Nothing asked for it but the command."""

    def go_on(self, ending: Ending) -> None:
        """Nothing follows by itself."""


@dataclass
class Upgrade:
    """A StarRocksUpgrade, pass by pass."""

    driver: Driver
    starrocks: StarRocks
    spec: dict[str, Any]
    endings: tuple[Ending, ...] = ("continue", "restore", "delete")
    _name: str = ""

    @property
    def _passes(self) -> Passes:
        return Passes(self.starrocks, self.driver)

    def tell(self, environment: Mapping[str, str]) -> Run:
        """Passes until nothing is due."""
        self._name = self._passes.upgrade(None, **self.spec)
        return passes_until(AT_REST, self.driver, "StarRocksUpgrade", self._name, environment)

    def delete(self) -> None:
        """Passes for a StarRocksUpgrade that is going, as an operator makes them before it lets it go."""
        self._passes.until("Released", "StarRocksUpgrade", self._name, state="absent", **PATIENCE)
        self._passes.delete(self._name)

    def go_on(self, ending: Ending) -> None:
        """The operator makes passes as long as there is something to do."""
        if ending != "delete":
            ended = passes_until(AT_REST, self.driver, "StarRocksUpgrade", self._name, {})
            assert AT_REST in ended.text, ended.stdout


@dataclass
class Preparation:
    """Annotations on the StarRocksCluster, pass by pass: prepared, and put back when they are taken away."""

    driver: Driver
    starrocks: StarRocks
    spec: dict[str, Any]
    endings: tuple[Ending, ...] = ("continue", "restore", "delete")

    @property
    def _passes(self) -> Passes:
        return Passes(self.starrocks, self.driver)

    def tell(self, environment: Mapping[str, str]) -> Run:
        """Passes until it is prepared, and after the annotations are gone until all is as it was."""
        self._passes.annotate(prepare="true", hooks=self.spec["hooks"])
        prepared = self._until(PREPARED, environment)
        if prepared.rc != 0:
            return prepared
        assert PREPARED in prepared.text, prepared.stdout
        self._passes.annotate(prepare=None, hooks=None)
        return self._until(AT_REST, environment)

    def delete(self) -> None:
        """Passes that are told that nothing is wanted any more."""
        self._passes.until("None", state="absent", **PATIENCE)

    def go_on(self, ending: Ending) -> None:
        """The operator makes passes; then a person takes the annotations away."""
        if ending == "continue" and self._asked:
            prepared = self._until(PREPARED, {})
            assert PREPARED in prepared.text, prepared.stdout
        self._passes.annotate(prepare=None, hooks=None)
        ended = self._until(AT_REST, {})
        assert "None, no trigger" in ended.text, ended.stdout
        assert self._passes.mirror is None

    @property
    def _asked(self) -> bool:
        return "starrocks.com/prepare-upgrade" in (self.starrocks.resource["metadata"].get("annotations") or {})

    def _until(self, words: str, environment: Mapping[str, str]) -> Run:
        return passes_until(words, self.driver, "StarRocksCluster", self.starrocks.name, environment)


def passes_until(words: str, driver: Driver, kind: str, name: str, environment: Mapping[str, str]) -> Run:
    """Passes until one says these words, has nothing left to do, fails, or is killed; the last one."""
    for _pass in range(MOST_PASSES):
        run = driver.run(
            {},
            playbook="starrocks_reconcile",
            kind=kind,
            object=f"{driver.namespace}/{name}",
            starrocks_access=PATIENCE,
            environment=environment,
        )
        if run.rc != 0 or words in run.text or AT_REST in run.text:
            break
    return run
