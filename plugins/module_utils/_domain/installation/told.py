# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""`installation.notifications` and `installation.metrics`: who is told of a run, and where its figures go.

Secrets are named by where they stand on the machine that runs the modules, never written here: the option is shown by
Ansible's own logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import REASONS, USUAL_REASONS
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import endpoint_of

TYPES = ("json", "slack")
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text stands: written here, in an environment variable, or in a file."""

    value: str = ""
    env: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One receiver. `reasons` are those it is told of; `ca_file` holds the certificate authorities to trust."""

    name: str
    type: Literal["json", "slack"]
    url: Source
    hmac: Source | None = None
    reasons: tuple[str, ...] = USUAL_REASONS
    timeout_seconds: float = 5.0
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class MetricsTarget:
    """A folder of node_exporter's textfile collector, a Pushgateway, both or neither."""

    textfile: str = ""
    pushgateway: str = ""
    ca_file: str = ""


def parse_notifications(items: list[object], path: str) -> tuple[Notification, ...]:
    """`notifications: [{name, type, url | urlFrom, hmacFrom, reasons, timeoutSeconds, caFile}]`."""
    found = tuple(_notification(item, f"{path}[{number}]") for number, item in enumerate(items))
    names = [notification.name for notification in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Refused(f"{path}[{number}].name", name, "twice", remedy="give each receiver a name of its own")
    return found


def _notification(item: object, path: str) -> Notification:
    reader = Reader(item, path)
    name = reader.text("name", pattern=_NAME, hint="small letters, digits and dashes")
    if not name:
        raise Refused(f"{path}.name", None, "missing", remedy="name the receiver, for messages about it")
    result = Notification(
        name=name,
        type="slack" if reader.choice("type", TYPES, "json") == "slack" else "json",
        url=_url(reader),
        hmac=_source(reader.section("hmacFrom")) if reader.has("hmacFrom") else None,
        reasons=_reasons(reader),
        timeout_seconds=reader.number("timeoutSeconds", 5, least=1, most=10, unit="seconds"),
        ca_file=reader.text("caFile"),
    )
    reader.done()
    return result


def _url(reader: Reader) -> Source:
    if reader.has("url") == reader.has("urlFrom"):
        remedy = "url: https://..., or urlFrom: {env: NAME} or {file: PATH} where the URL is a secret, as Slack's is"
        raise Refused(reader.at("url"), None, "give either url or urlFrom", remedy=remedy)
    if reader.has("urlFrom"):
        return _source(reader.section("urlFrom"))
    url = reader.text("url")
    endpoint_of(url, reader.at("url"))
    return Source(value=url)


def _source(reader: Reader) -> Source:
    source = Source(
        env=reader.text("env", pattern=r"[A-Za-z_][A-Za-z0-9_]*", hint="the name of an environment variable"),
        file=reader.text("file", pattern=r"/.+", hint="an absolute path"),
    )
    if bool(source.env) == bool(source.file):
        raise Refused(reader.at("env"), None, "give either env or file", remedy="{env: NAME} or {file: /PATH}")
    reader.done()
    return source


def _reasons(reader: Reader) -> tuple[str, ...]:
    if not reader.has("reasons"):
        return USUAL_REASONS
    if reader.items("reasons") == ["*"]:
        return REASONS
    return reader.names("reasons", REASONS)


def parse_metrics(section: Reader) -> MetricsTarget:
    """`metrics: {textfile, pushgateway, caFile}`."""
    target = MetricsTarget(
        textfile=section.text("textfile", pattern=r"/.+", hint="an absolute path of a folder"),
        pushgateway=section.text("pushgateway").rstrip("/"),
        ca_file=section.text("caFile"),
    )
    section.done()
    if target.pushgateway:
        endpoint = endpoint_of(target.pushgateway, section.at("pushgateway"))
        if re.search(r"\?|/metrics$", endpoint.target):
            raise Refused(
                section.at("pushgateway"), None, "is not the gateway's own URL", remedy="such as http://gateway:9091"
            )
    return target
