# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quoting of what is put into a statement."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._fe import statements


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (True, "true"), (False, "false"), ("500", "500"), ("10.0.0.0/8", "10.0.0.0/8"), ("", "")],
)
def test_a_value_is_written_as_starrocks_writes_it(value: str | int | bool, text: str) -> None:
    assert (
        statements.set_setting("disable_balance", value) == f'ADMIN SET FRONTEND CONFIG ("disable_balance" = "{text}")'
    )


@pytest.mark.parametrize("key", ["", "a b", "A", 'x"', "x'", "x%y", "x\n", "ключ", "x" * 129])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(Refused, match="no name of an FE setting"):
        statements.set_setting(key, 1)
    with pytest.raises(Refused):
        statements.show_settings(key)


@pytest.mark.parametrize("value", ['"', "'", "\\", ";", "a\nb", "x`", "(", "a" * 257, "ä"])
def test_what_could_end_a_quoted_text_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="characters"):
        statements.set_setting("disable_balance", value)


@settings(deadline=None)
@given(key=st.text(), value=st.text())
def test_whatever_is_put_in_stays_one_quoted_text(key: str, value: str) -> None:
    try:
        statement = statements.set_setting(key, value)
    except Refused:
        return
    assert statement.count('"') == 4
    assert not set(statement) & set("\\';`\n\r\0")


def test_a_pattern_may_end_with_a_wildcard_only() -> None:
    assert statements.show_settings("tablet_sched_%") == "ADMIN SHOW FRONTEND CONFIG LIKE 'tablet_sched_%'"
    with pytest.raises(Refused):
        statements.show_settings("%")
