# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks run by a bastion host: what Ansible ships there is the modules, not the action plugins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenarios.cluster import StarRocks
from scenarios.playbook import BIN, Driver

INVENTORY = {
    "all": {"hosts": {"bastion": {"ansible_connection": "bastion", "ansible_python_interpreter": str(BIN / "python")}}}
}


@pytest.fixture
def bastion(product: Driver, tmp_path: Path) -> Driver:
    """The product, which has the bastion do the work."""
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps(INVENTORY))
    plugins = Path(__file__).parent / "plugins" / "connection"
    product.environment |= {
        "ANSIBLE_CONNECTION_PLUGINS": str(plugins),
        "ANSIBLE_INVENTORY": str(inventory),
        # The home of the account, which is where modules are shipped to otherwise, need not be the tests' own.
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote"),
    }
    return product


@pytest.mark.oldest
def test_a_bastion_host_upgrades_by_the_modules(starrocks: StarRocks, bastion: Driver) -> None:
    strategies = starrocks.strategies
    document = bastion.document("3.3.2")
    run = bastion.run(document, rollout_host="bastion").succeeded()
    assert "bastion: ok=" in run.text
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)
    again = bastion.run(document, rollout_host="bastion").succeeded()
    assert " changed=0 " in f"{again.text} "


def test_a_bastion_host_rolls_back_by_the_modules(starrocks: StarRocks, bastion: Driver) -> None:
    strategies = starrocks.strategies
    document = bastion.document(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}})
    bastion.run(document, rollout_host="bastion").failed("CrashLoopBackOff", "rolled.back")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_closed("rolled-back", strategies)
