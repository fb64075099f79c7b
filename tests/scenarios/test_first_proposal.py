# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in for the first proposal's example cluster and its commands for a closer look, carried out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from scenarios.cluster import DEFAULTS, LIMIT, OFF, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import ROOT, Driver
from scenarios.reconciling import Passes
from scenarios.test_reconcile import BALANCE, extended

__all__ = ["extended"]
EXAMPLE = ROOT / "docs" / "examples" / "starrockscluster-with-upgrade-hooks.yml"
PAGE = ROOT / "docs" / "troubleshooting.md"


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """As many pods as the example has."""
    return cluster(fe=3, be=3)


@pytest.mark.usefixtures("extended")
def test_the_example_cluster(starrocks: StarRocks, product: Driver, tmp_path: Path) -> None:
    passes = Passes(starrocks, product)
    document = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    assert document["metadata"].pop("namespace") == "starrocks"
    path = tmp_path / "cluster.yml"
    path.write_text(yaml.safe_dump(document))
    namespace = f"--namespace={starrocks.namespace}"
    starrocks.lab.kubectl("apply", "--server-side", "--force-conflicts", namespace, f"--filename={path}")
    assert passes.once()["phase"] == "Completed"
    switched_off = {**DEFAULTS, LIMIT: OFF[LIMIT], BALANCE: OFF[BALANCE]}
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, switched_off)
    status = starrocks.resource["status"]["upgradePreparationStatus"]
    assert status["completedHooks"] == ["disable-tablet-clone", "disable-balancer", "look-at-backends"]
    passes.roll("3.3.2")
    passes.until("Completed")
    starrocks.assert_settings()


def test_the_commands_for_a_closer_look(starrocks: StarRocks, product: Driver) -> None:
    passes = Passes(starrocks, product)
    passes.annotate(prepare="true")
    assert passes.once()["phase"] == "Completed"
    section = PAGE.read_text("utf-8").partition("## A closer look\n")[2]
    block = re.findall(r"^```\n(.*?)^```$", section, re.M | re.S)[0].replace("\\\n", "")
    assert "--namespace starrocks " in block
    commands = block.replace("--namespace starrocks ", f"--namespace {starrocks.namespace} ").splitlines()
    tools, person = Path(starrocks.lab.record()["binaries"]), starrocks.lab.kubeconfig
    said = [product.shell(command, tools, person=person).succeeded().stdout for command in commands]
    assert [command for command, text in zip(commands, said, strict=True) if not text.strip()] == []
    together = "\n".join(said)
    assert [part for part in ('"held":true', "Role: LEADER", "begin to transfer FE type") if part not in together] == []
