# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of error codes: each has a class and a source, and only the transient ones are tried again."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.sql_errors import CODES, kind_of
from ansible_collections.steady.rollout.plugins.module_utils._fe.errors import sql_failure


def test_each_code_has_a_name_and_a_source() -> None:
    assert all(code.name and code.source and number == code.number for number, code in CODES.items())


@pytest.mark.parametrize("number", CODES)
def test_only_what_is_transient_or_lost_may_be_tried_again(number: int) -> None:
    failure = sql_failure(number, "words", pod="prod-fe-0", user="root", sql="SHOW FRONTENDS")
    assert failure.transient is (kind_of(number) in ("transient", "lost"))


@pytest.mark.parametrize("number", [1064, 1105, 5102, 99999])
def test_what_is_not_listed_is_permanent(number: int) -> None:
    assert kind_of(number) == "permanent"
    assert not sql_failure(number, "words", pod="prod-fe-0", user="root").transient
