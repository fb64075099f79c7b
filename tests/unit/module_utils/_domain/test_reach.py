# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where calls may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import (
    WebhookPolicy,
    check_target,
    endpoint_of,
    origin,
)


def test_people_see_neither_path_nor_query_nor_user_of_a_url() -> None:
    assert origin("https://user:s3cret@hooks.example.com:8443/s3cret?s3cret") == "https://hooks.example.com:8443"
    assert origin("s3cret") == "a malformed URL"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/x", ["hooks.example.com"]),
        ("https://hooks.example.com:443/x", ["hooks.example.com"]),
        ("https://HOOKS.example.com./x", ["hooks.example.com"]),
        ("https://hooks.example.com:8443/x", ["hooks.example.com:8443"]),
        ("https://a.b.example.com/x", ["*.example.com"]),
        ("https://[2606:4700::1]/x", ["[2606:4700::1]"]),
        ("https://[2606:4700::1]:8443/x", ["[2606:4700::1]:8443"]),
    ],
)
def test_a_named_host_is_allowed(url: str, allowed: list[str]) -> None:
    assert check_target(url, WebhookPolicy(allowed_hosts=tuple(allowed)), "url").scheme == "https"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/x", []),
        ("https://hooks.example.com:8443/x", ["hooks.example.com"]),
        ("https://hooks.example.com/x", ["hooks.example.com:8443"]),
        ("https://example.com/x", ["*.example.com"]),
        ("https://badexample.com/x", ["*.example.com"]),
        ("https://hooks.example.com.evil.example/x", ["hooks.example.com"]),
        ("https://evil.example/?hooks.example.com", ["hooks.example.com"]),
        ("http://hooks.example.com:443/x", ["hooks.example.com:443"]),
        ("http://hooks.example.com/x", ["hooks.example.com"]),
    ],
)
def test_any_other_host_is_refused_without_repeating_the_url(url: str, allowed: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        check_target(url, WebhookPolicy(allowed_hosts=tuple(allowed)), "spec.stages.pre[0].webhook.url")
    assert "installation.webhooks" in refused.value.remedy
    assert "/x" not in str(refused.value)


def test_plain_http_needs_its_own_permission() -> None:
    policy = WebhookPolicy(allowed_hosts=("hooks.example.com",), plain_http_hosts=("hooks.example.com",))
    assert check_target("http://hooks.example.com/x", policy, "url").port == 80


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_url_reaches_a_host_that_is_not_named(before: str, after: str) -> None:
    policy = WebhookPolicy(allowed_hosts=("hooks.example.com", "*.example.org"))
    for url in (f"https://{before}{after}", f"{before}hooks.example.com{after}", f"https://hooks.example.com{after}"):
        try:
            endpoint = check_target(url, policy, "url")
        except Refused:
            continue
        assert endpoint.host == "hooks.example.com" or endpoint.host.endswith(".example.org")
        assert (endpoint.scheme, endpoint.port) == ("https", 443)
        assert "\r" not in endpoint.target
        assert "\n" not in endpoint.target


def test_the_authority_names_the_port_only_where_it_is_special() -> None:
    assert endpoint_of("https://h.example:443/", "url").authority == "h.example"
    assert endpoint_of("https://h.example:8443/", "url").authority == "h.example:8443"
    assert endpoint_of("http://[2606::1]:8080/", "url").authority == "[2606::1]:8080"
    assert endpoint_of("https://h.example?a=b", "url").target == "/?a=b"
