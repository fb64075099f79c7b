# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destructive statements: what is found in which dialect, what is not, and what nobody can read."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.destructive import (
    Finding,
    lint,
    refused,
    unprinted,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.schema import DESTRUCTIVE_RULES
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Allowed

BEFORE = """
CREATE TABLE a (
  id int PRIMARY KEY, b varchar(50) NOT NULL, c varchar(100), d int, e decimal(10,2), f text, g char(3)
);
"""


def rules(statement: str, engine: str = "postgres", before: str = BEFORE) -> list[str]:
    """The rules that a statement breaks, in a database with a table `a`."""
    return [f.rule for f in lint({"1_before.sql": before, "2_now.sql": statement}, ["2_now.sql"], engine)]


FOUND = {
    "DROP TABLE a": "dropTable",
    "drop /* x */ table if exists a cascade": "dropTable",
    "DROP SCHEMA x": "dropSchema",
    "DROP DATABASE x": "dropSchema",
    "ALTER TABLE a DROP COLUMN b": "dropColumn",
    "ALTER TABLE a DROP b": "dropColumn",
    "ALTER TABLE a DROP CONSTRAINT x": "dropConstraint",
    "DROP VIEW v": "dropObject",
    "DROP MATERIALIZED VIEW v": "dropObject",
    "DROP FUNCTION f(int)": "dropObject",
    "DROP TYPE t": "dropObject",
    "DROP EXTENSION x": "dropObject",
    "TRUNCATE a": "truncate",
    "DELETE FROM a": "deleteAll",
    "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x": "deleteAll",
    "ALTER TABLE a ALTER COLUMN d TYPE smallint": "narrowType",
    "ALTER TABLE a ALTER COLUMN c TYPE varchar(99)": "narrowType",
    "ALTER TABLE a ALTER COLUMN f TYPE varchar(99)": "narrowType",
    "ALTER TABLE a ALTER COLUMN e TYPE decimal(10,3)": "narrowType",
    "ALTER TABLE a ALTER COLUMN e TYPE decimal(9,2)": "narrowType",
    "ALTER TABLE a ALTER COLUMN d TYPE boolean USING d > 0": "narrowType",
    "ALTER TABLE unknown ALTER COLUMN d TYPE bigint": "narrowType",
    "ALTER TABLE a ALTER c SET NOT NULL": "setNotNull",
    "ALTER TABLE a ADD COLUMN h int NOT NULL": "notNullWithoutDefault",
    "ALTER TABLE a RENAME COLUMN b TO c": "rename",
    "ALTER TABLE a RENAME TO b": "rename",
    "DO $$ BEGIN DROP TABLE a; END $$": "unreadable",
    "CALL f()": "unreadable",
    "ALTER TABLE a DETACH PARTITION p": "unreadable",
    "SELEC 1": "unreadable",
    "-- atlas:delimiter \\n\\n\nSELECT 1": "unreadable",
}


@pytest.mark.parametrize("statement", FOUND)
def test_finds(statement: str) -> None:
    assert rules(statement) == [FOUND[statement]]


IN_MYSQL = {
    "DROP TABLE `a`": "dropTable",
    "/*!50000 DROP TABLE a */": "unreadable",
    "/*M! DROP TABLE a */;": "unreadable",
    "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */;": "unreadable",
    "ALTER TABLE a MODIFY COLUMN c varchar(100) NOT NULL": "setNotNull",
    "ALTER TABLE a MODIFY d smallint": "narrowType",
    "ALTER TABLE a CHANGE COLUMN d x bigint": "rename",
    "ALTER TABLE a DROP PRIMARY KEY": "dropConstraint",
    "ALTER TABLE a DROP FOREIGN KEY k": "dropConstraint",
    "ALTER TABLE a TRUNCATE PARTITION p": "unreadable",
    "ALTER TABLE a DROP PARTITION p": "unreadable",
    "RENAME TABLE a TO b": "rename",
    "CREATE OR REPLACE TABLE a (x int)": "dropTable",
    "PREPARE s FROM 'DROP TABLE a'": "unreadable",
    "DELIMITER //": "unreadable",
}


@pytest.mark.parametrize("statement", IN_MYSQL)
@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_finds_in_mysql(statement: str, engine: str) -> None:
    assert rules(statement, engine) == [IN_MYSQL[statement]]


HARMLESS = [
    "CREATE TABLE drop_table (id int, note text DEFAULT 'DROP TABLE a')",
    "INSERT INTO a (c) VALUES ('TRUNCATE a; DROP TABLE a')",
    "-- DROP TABLE a\nSELECT 1",
    "SELECT 1 /* DROP TABLE a */",
    "COMMENT ON TABLE a IS 'do not DROP'; CREATE INDEX \"DROP\" ON a (c)",
    "DELETE FROM a WHERE id = 1",
    "ALTER TABLE a ADD COLUMN h int",
    "ALTER TABLE a ADD COLUMN h int NOT NULL DEFAULT 0",
    "ALTER TABLE a ADD COLUMN h int NOT NULL GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE a ADD COLUMN h bigserial NOT NULL",
    "CREATE TABLE n (id int); ALTER TABLE n ADD COLUMN h int NOT NULL",
    "ALTER TABLE a ALTER COLUMN d TYPE bigint",
    "ALTER TABLE a ALTER COLUMN c TYPE varchar(200)",
    "ALTER TABLE a ALTER COLUMN c TYPE text",
    "ALTER TABLE a ALTER COLUMN g TYPE varchar(3)",
    "ALTER TABLE a ALTER COLUMN e TYPE decimal(12,3)",
    "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
    "ALTER TABLE a ALTER COLUMN b DROP NOT NULL",
    "ALTER TABLE a ALTER COLUMN b SET DEFAULT 'x'",
    "ALTER TABLE a ADD CONSTRAINT k CHECK (id > 0)",
    "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
    "ALTER TYPE t ADD VALUE 'DROP'",
    "ALTER SEQUENCE s RESTART",
    "CREATE EXTENSION IF NOT EXISTS pgcrypto",
    "CREATE FUNCTION f() RETURNS int AS $$ DELETE FROM a; SELECT 1 $$ LANGUAGE sql",
    "DROP INDEX i",
    "GRANT SELECT ON a TO b; SET search_path = x; ANALYZE a",
    "",
    "-- only a comment",
]


@pytest.mark.parametrize("statement", HARMLESS)
def test_does_not_find_words_that_only_look_so(statement: str) -> None:
    assert rules(statement) == []


def test_types_are_followed_through_the_directory() -> None:
    files = {
        "1.sql": "CREATE TABLE a (b int);",
        "2.sql": "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "3.sql": "ALTER TABLE a ALTER COLUMN b TYPE int;",
        "down/3.sql": "DROP TABLE a;",
        "atlas.sum": "h1:",
    }
    assert lint(files, ["2.sql"], "postgres") == ()
    (found,) = lint(files, ["3.sql"], "postgres")
    assert str(found) == "3.sql:1: narrowType: ALTER TABLE a ALTER COLUMN b SET DATA TYPE INT"


def test_a_finding_names_the_line() -> None:
    text = "CREATE TABLE x (id int);\n\n-- note\nDROP TABLE a;\nTRUNCATE x;\n"
    assert [(f.line, f.rule) for f in lint({"2_now.sql": text}, ["2_now.sql"], "postgres")] == [
        (4, "dropTable"),
        (5, "truncate"),
    ]


def test_what_is_allowed_is_allowed_in_its_file_alone() -> None:
    found = (
        Finding("2.sql", 1, "dropTable", ""),
        Finding("2.sql", 2, "truncate", ""),
        Finding("3.sql", 1, "dropTable", ""),
    )
    assert refused(found, [Allowed("2.sql", ("dropTable",))]) == found[1:]
    assert refused(found, [Allowed("2.sql", DESTRUCTIVE_RULES), Allowed("3.sql", DESTRUCTIVE_RULES)]) == ()


def test_of_a_directory_that_is_too_large_nothing_can_be_said() -> None:
    assert [f.rule for f in unprinted(["2.sql", "3.sql"])] == ["unreadable", "unreadable"]


def test_every_rule_has_a_case() -> None:
    assert set(FOUND.values()) | set(IN_MYSQL.values()) == set(DESTRUCTIVE_RULES)


def test_sqlglot_says_nothing_on_the_console(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        rules("CALL f()")
    assert caplog.records == []


@given(st.text(max_size=80) | st.text(alphabet="DROPTABLE aALTER;()'\"`-/*!$\n", max_size=80))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_text_is_read_or_found_unreadable(text: str) -> None:
    for engine in ("postgres", "mysql"):
        for finding in lint({"2_now.sql": text}, ["2_now.sql"], engine):
            assert finding.rule in DESTRUCTIVE_RULES
