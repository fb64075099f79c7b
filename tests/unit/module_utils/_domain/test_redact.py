# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that others wrote, before they are kept."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import (
    HIDDEN,
    Redactor,
    printable,
    redacted,
    tail,
)

SECRET = 'canary "pä55\\+/'
CANARY = "c4nary/Ov3r@the:hills?"
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=4, max_size=20)
AROUND = st.text(alphabet="abc \n:/@=", max_size=8)
long_texts = st.text(min_size=6, max_size=40)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.replace("\\", "\\\\").replace('"', '\\"'),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"root:{SECRET}".encode()).decode()[4:],
    ],
)
def test_a_secret_is_hidden_in_every_form(form: str) -> None:
    text = redacted(f"before {form} after", [SECRET])
    assert HIDDEN in text
    assert text.startswith("before")
    assert text.endswith("after")
    assert "canary" not in text


@given(before=st.binary(max_size=7), secret=long_texts, after=st.binary(max_size=7))
def test_base64_of_anything_around_a_secret_does_not_give_it_back(before: bytes, secret: str, after: bytes) -> None:
    text = redacted(base64.b64encode(before + secret.encode() + after).decode(), [secret])
    assert HIDDEN in text


@given(before=st.text(), secret=long_texts, after=st.text())
def test_the_secret_itself_is_never_left(before: str, secret: str, after: str) -> None:
    assert secret not in redacted(before + secret + after, [secret]).replace(HIDDEN, "")


def test_a_longer_secret_is_hidden_whole() -> None:
    assert redacted("x s3cret-and-more y", ["s3cret", "s3cret-and-more", ""]) == f"x {HIDDEN} y"


def test_a_text_with_a_secret_too_short_to_be_hidden_is_withheld() -> None:
    assert redacted("the password is abc", ["abc"]).startswith("(withheld")
    assert redacted("nothing here", ["xyz"]) == "nothing here"


@given(PASSWORDS, AROUND, AROUND)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_password_is_hidden_in_every_spelling(password: str, before: str, after: str) -> None:
    url = f"postgres://app:{quote(password, safe='')}@db:5432/orders"
    spellings = [
        password,
        quote(password, safe=""),
        quote(password),
        quote(password, safe="").lower() if password.isascii() else password,
        json.dumps(password)[1:-1],
        base64.b64encode(password.encode()).decode(),
        url,
        base64.b64encode(url.encode()).decode(),
    ]
    hide = Redactor.of(url)
    for spelling in spellings:
        shown = hide(f"{before}{spelling}{after}")
        assert password not in shown.replace(HIDDEN, "")
        assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        f'parse open url: parse "postgres://app:{CANARY}%zz@db/orders": invalid URL escape',
        f"DATABASE_URL=mysql://app:{CANARY}@db/orders",
        f'{{"password": "{CANARY}"}}',
        f"host=db password={CANARY} dbname=orders",
        f"PGPASSWORD='{CANARY}' psql",
    ],
)
def test_a_password_that_nobody_told_is_hidden_where_passwords_stand(text: str) -> None:
    shown = Redactor()(text)
    assert CANARY not in shown
    assert "c4nary" not in shown
    assert HIDDEN in shown


def test_a_url_that_cannot_be_parsed_gives_its_password_to_the_redactor() -> None:
    hide = Redactor.of("postgres://app:pw%zz/secret@db/orders", "mysql://db/a?password=other-secret")
    assert hide("x pw%zz/secret y other-secret z") == f"x {HIDDEN} y {HIDDEN} z"


def test_a_short_password_is_hidden_as_a_word_and_leaves_other_words() -> None:
    hide = Redactor.of("postgres://app:a1@db/orders")
    assert hide("wrong password a1, table a123") == f"wrong password {HIDDEN}, table a123"


def test_a_token_can_be_hidden_too() -> None:
    hide = Redactor.of("postgres://app:first@db/orders").hiding(["X-Amz-Signature=abc"])
    assert hide("first X-Amz-Signature=abc X-Amz-Signature%3Dabc") == f"{HIDDEN} {HIDDEN} {HIDDEN}"


def test_two_redactors_hide_as_one() -> None:
    both = Redactor.of("postgres://app:first@db/orders").joined(Redactor.of("postgres://app:second@db/orders"))
    assert both("first second") == f"{HIDDEN} {HIDDEN}"
    assert "first" not in repr(both)


def test_nothing_is_left_for_a_terminal_to_obey() -> None:
    assert printable("\x1b[31mred\x1b[0m\r\n\x1b]0;title\x07a\tb\x00\x9b") == "red\na\tb\ufffd\ufffd"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_kept_can_be_printed(text: str) -> None:
    assert all(c in "\n\t" or c.isprintable() or c == "\ufffd" for c in printable(text))


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])), most=st.integers(0, 60))
def test_a_tail_is_an_end_of_the_text(text: str, most: int) -> None:
    kept = tail(text, most)
    assert text.endswith(kept)
    assert len(kept.encode()) <= most or kept == ""
    if len(text.encode()) <= most:
        assert kept == text


def test_a_tail_begins_with_a_whole_line_where_it_can() -> None:
    assert tail("first line\nsecond\nthird\n", 15) == "second\nthird\n"
    assert tail("no line ends here", 4) == "here"
    assert tail("first line\nsecond\n", 4) == "ond\n"
