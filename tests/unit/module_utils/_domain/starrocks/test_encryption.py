# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS is insisted on only where every version that the run will meet can do it."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.encryption import check_required


def frontends(*tags: str) -> dict[str, str]:
    return {f"prod-fe-{ordinal}": f"starrocks/fe-ubuntu:{tag}" for ordinal, tag in enumerate(tags)}


@pytest.mark.parametrize(
    ("tags", "target"),
    [
        (("3.4.1", "3.4.2"), None),
        (("3.4.1",), "starrocks/fe-ubuntu:3.5.0"),
        (("4.0.0",), "starrocks/fe-ubuntu@sha256:" + "0" * 64),
        (("latest",), None),
        ((), None),
    ],
)
def test_versions_with_tls_pass(tags: tuple[str, ...], target: str | None) -> None:
    check_required(frontends(*tags), target)


@pytest.mark.parametrize(
    ("tags", "target", "words", "remedy"),
    [
        (("3.4.1", "3.4.0"), None, "FE prod-fe-1 runs 3.4.0", "until every FE runs 3.4.1"),
        (("3.3.9",), "starrocks/fe-ubuntu:3.4.1", "FE prod-fe-0 runs 3.3.9", "until every FE runs 3.4.1"),
        (("3.4.1",), "starrocks/fe-ubuntu:3.4.0", "the FEs shall run 3.4.0", "for this run"),
    ],
)
def test_a_version_without_tls_is_named(tags: tuple[str, ...], target: str | None, words: str, remedy: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        check_required(frontends(*tags), target)
    assert (caught.value.field, caught.value.value) == ("fe_tls", "required")
    assert "3.4.1" in caught.value.reason
    assert remedy in caught.value.remedy
