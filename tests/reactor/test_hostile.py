# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects whose authors mean harm: nothing of theirs is ever executed, and nobody else's object suffers."""

from __future__ import annotations

from pathlib import Path

import pytest
from reactor_suite import Operator, Team
from waiting import until

BOMB = 'a: &a ["lol","lol"]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]'


def planted(folder: Path) -> dict[str, str]:
    """Templates and commands that would leave a file behind, in the ways that templates are written."""
    return {
        "lookup": f"{{{{ lookup('pipe', 'touch {folder}/lookup') }}}}",
        "statement": f"{{% set x = lookup('pipe', 'touch {folder}/statement') %}}{{{{ x }}}}",
        "query": f"{{{{ query('ansible.builtin.pipe', 'touch {folder}/query') | first }}}}",
        "filter": f"{{{{ ('touch {folder}/filter') | community.general.shell }}}}",
        "tagged": f"!unsafe {{{{ lookup('pipe', 'touch {folder}/tagged') }}}}",
        "vault": "$ANSIBLE_VAULT;1.1;AES256\n3030",
        "yaml": BOMB,
        "shell": f"$(touch {folder}/shell) `touch {folder}/shell`; touch {folder}/shell",
        "unicode": "Zażółć gęślą jaźń 🐙 \u202e \u0000".replace("\u0000", ""),
    }


def test_no_text_of_an_object_is_executed(team: Team, tmp_path: Path) -> None:
    """In any field, at any depth, as a value or as a key, in the spec or in the metadata."""
    texts = planted(tmp_path)
    # A key that is named as a function of templates would make the playbook's own templates fail.
    spec = {
        **{f"the-{name}": text for name, text in texts.items()},
        "deep": {"er": [{"est": list(texts.values())}]},
        texts["lookup"]: "as a key",
    }
    team.make("Note", spec=spec, annotations={f"x/{name}": text for name, text in texts.items()})
    (note,) = team.noted()
    team.becomes("Note", "Successful")
    assert note["spec"] == spec
    assert note["whole"]["metadata"]["annotations"]["x/lookup"] == texts["lookup"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("ansible_connection", "ansible_connection"),
        ("ansiblePythonInterpreter", "ansible_python_interpreter"),
        ("__ansible_unsafe", "__ansible_unsafe"),
    ],
)
def test_keys_that_would_be_ansibles_own_are_refused_and_the_object_stays_deletable(
    team: Team, key: str, named: str
) -> None:
    """Nothing is run, and the status says which key; a finalizer that was there before runs without them."""
    team.make("Held", spec={key: "x"})
    assert named in team.becomes("Held", "Failure")["Failure"]["message"]
    assert team.lines() == []
    team.change("Held", {"spec": {key: None}})
    team.becomes("Held", "Successful")
    team.change("Held", {"spec": {key: "x"}})
    team.becomes("Held", "Failure")
    team.delete("Held")
    until(lambda: team.get("Held") is None, "it is gone")
    assert [note["finalizing"] for note in team.noted(2)] == [False, True]
    assert team.noted(2)[1]["mine"] == "none"


def test_the_largest_object_and_the_longest_name_are_run(team: Team) -> None:
    """The API server takes objects of up to 1.5 MB, and names of up to 253 letters."""
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(longest) == 253
    team.make("End", longest, {"end": "well"})
    team.make("End", "huge", {"end": "well", "list": ["x" * 1000] * 1300})
    team.becomes("End", "Successful", longest)
    team.becomes("End", "Successful", "huge")


@pytest.mark.parametrize("depth", [500, 4000])
def test_an_object_of_any_depth_hurts_nobody_else(team: Team, operator: Operator, depth: int) -> None:
    """Watches read metadata only, so no object can end them; one that is too deep to be read is told of and left."""
    value = '{"a":' * depth + "1" + "}" * depth
    body = f'{{"apiVersion":"reactor.test/v1","kind":"Note","metadata":{{"name":"deep"}},"spec":{value}}}'
    answer = team.api.raw("POST", team.path("Note"), body.encode())
    team.make("Note", "other")
    team.becomes("Note", "Successful", "other")
    assert operator.process.poll() is None
    if answer.status == 201:
        operator.says(f"{team.namespace}/deep")


def test_what_an_object_says_cannot_write_to_the_screen(team: Team, operator: Operator) -> None:
    """Neither new lines nor control characters come through."""
    team.make("End", spec={"end": "fail", "message": "first\nsecond \u001b[31mred\u0007 \u202eright"})
    team.becomes("End", "Failure")
    team.delete("End")
    line = next(line for line in operator.says("first").splitlines() if "first" in line)
    assert "second" in line
    assert line.isprintable()
