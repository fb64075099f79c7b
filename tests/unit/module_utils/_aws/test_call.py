# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the program that makes tokens: what goes in and out, and how it may fail."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._aws.call import call
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.aws import NoToken

ECHO = "import json, sys; print(json.dumps({'order': json.load(sys.stdin), 'arguments': sys.argv}))"


def test_the_order_goes_through_a_pipe_and_not_through_arguments() -> None:
    order = {"user": "µ"}
    assert call(order, ECHO) == {"order": order, "arguments": ["-c"]}


def test_the_environment_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "x")
    program = "import os, json; print(json.dumps({'profile': os.environ['AWS_PROFILE']}))"
    assert call({}, program) == {"profile": "x"}


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("raise ValueError('canary')", "ended with 1: ValueError"),
        ("print('canary')", "ended with 0"),
        ("print('[]')", "ended with 0"),
        ("import sys; print('{}'); sys.exit(3)", "ended with 3"),
    ],
)
def test_a_program_that_fails_is_told_without_what_it_said(program: str, problem: str) -> None:
    with pytest.raises(NoToken) as failed:
        call({}, program)
    assert problem in failed.value.sentence
    assert "canary" not in failed.value.sentence


def test_a_python_that_is_not_there_is_named() -> None:
    with pytest.raises(NoToken) as failed:
        call({}, ECHO, "/nowhere/python")
    assert failed.value.word == "AwsPackageMissing"
    assert "aws.python = '/nowhere/python': cannot be started: No such file" in failed.value.reason


def test_a_program_that_does_not_end_is_ended() -> None:
    answer = call({}, "import threading; threading.Event().wait()", seconds=0.2)
    assert answer["error"]["kind"] == "TimeoutExpired"
