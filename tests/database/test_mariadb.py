# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB: what is the same as with PostgreSQL, and what is not, because it has no transactions for tables."""

from __future__ import annotations

import pytest
from database.conftest import Push
from database.upgrades import BROKEN, PASSWORD, A, B, Upgrade, own_tables

from steadylab.database.servers import MariaDB

DOWN = {"20260101000002_b.sql": "CREATE TABLE t2 (id int);\n", "down/20260101000002_b.sql": "DROP TABLE t2;\n"}


@pytest.fixture
def database(upgrade: Upgrade, database_name: str, mariadb: MariaDB) -> str:
    """An empty MariaDB database whose URL is in the customer's Secret."""
    upgrade.source(mariadb.create(database_name, database_name, PASSWORD))
    return database_name


def test_migrates_and_then_has_nothing_to_do(upgrade: Upgrade, database: str, mariadb: MariaDB, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A | B))
    assert upgrade.perform(document)["outcome"] == "succeeded"
    assert own_tables(mariadb, database) == {"t1", "t2"}
    assert upgrade.perform(document)["changed"] is False
    assert len(upgrade.jobs("apply")) == 1


def test_a_file_that_fails_in_its_middle_is_applied_in_part_and_says_so(
    upgrade: Upgrade, database: str, mariadb: MariaDB, push: Push
) -> None:
    document = upgrade.document(push(f"{database}:v1", A | BROKEN), onFailure="Rollback")
    failed = upgrade.perform(document)
    assert failed["outcome"] == "frozen"
    assert "Version 20260101000003 is applied in part" in failed["reason"]
    assert own_tables(mariadb, database) == {"t1", "t3"}
    assert upgrade.jobs("rollback") == []


def test_what_was_applied_whole_is_rolled_back_where_the_log_of_it_may_be_kept(
    upgrade: Upgrade, database: str, mariadb: MariaDB, push: Push
) -> None:
    upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    mariadb.run(f"GRANT ALL ON `dbupgrade\\_rollback\\_%`.* TO '{database}'@'%'")
    first = {"20260101000003_c.sql": "SELECT nope FROM t2;\n", "down/20260101000003_c.sql": "SELECT 1;\n"}
    failed = upgrade.perform(upgrade.document(push(f"{database}:v2", A | DOWN | first), onFailure="Rollback"))
    assert failed["outcome"] == "rolledBack"
    assert own_tables(mariadb, database) == {"t1"}


def test_lock_of_another_client_is_respected(upgrade: Upgrade, database: str, mariadb: MariaDB, push: Push) -> None:
    upgrade.installation = {"databases": {"tools": {"lockSeconds": 1}}}
    document = upgrade.document(push(f"{database}:v1", A))
    other = mariadb.hold_atlas_lock()
    failed = upgrade.perform(document)
    assert failed["state"]["reason"] == "DatabaseLocked"
    other.close()
    document["spec"]["runner"] = {"attempt": 2}
    assert upgrade.perform(document)["outcome"] == "succeeded"
    assert own_tables(mariadb, database) == {"t1"}
