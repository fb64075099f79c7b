# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface of one FE pod, as far as it tells of metadata images.

Paths of StarRocks sources are under fe/fe-core/src/main/java/com/starrocks.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from steadylab.simulator.model import Frontend, native_password
from steadylab.simulator.server import Listener
from steadylab.simulator.world import Cluster

REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True)
class Reply:
    """Status and body of an answer."""

    status: int
    body: str = ""
    media_type: str = "text/plain"


def answer(cluster: Cluster, frontend: Frontend, target: str, authorization: str, now: float) -> Reply:
    """What that FE answers to GET of the target."""
    path, _, query = target.partition("?")
    if path == "/metrics":
        return Reply(200, _metrics(frontend))
    if path != "/api/show_meta_info":
        return Reply(404)
    if cluster.options.http_auth and (refusal := _refusal(cluster, authorization)) is not None:
        return refusal
    if query.upper() != "ACTION=SHOW_HA":
        return Reply(400, "Invalid parameter")
    return Reply(200, json.dumps(_high_availability(cluster, frontend, now)), "application/json")


def _high_availability(cluster: Cluster, frontend: Frontend, now: float) -> dict[str, str]:
    """http/rest/ShowMetaInfoAction.getHaInfo: texts throughout, and no checkpoint before the first image."""
    leads = frontend.pod == cluster.leader
    info = {
        "role": "LEADER" if leads else frontend.role,
        "current_journal_id": str(cluster.replayed(frontend, now)),
        "master": cluster.frontends[cluster.leader].host if cluster.leader else "unknown",
        "can_read": str(not leads).lower(),
        "is_ready": "true",
    }
    if frontend.image is not None:
        info |= {"last_checkpoint_version": str(frontend.image), "last_checkpoint_time": str(int(now * 1000))}
    return info


def _metrics(frontend: Frontend) -> str:
    """metric/MetricRepo.java: COUNTER_IMAGE_WRITE and COUNTER_IMAGE_PUSH."""
    lines = []
    for name, value in (("image_write", frontend.image_writes), ("image_push", frontend.image_pushes)):
        lines += [f"# HELP starrocks_fe_{name} counter", f"# TYPE starrocks_fe_{name} counter"]
        lines.append(f"starrocks_fe_{name} {value}")
    return "\n".join(lines) + "\n"


def _refusal(cluster: Cluster, authorization: str) -> Reply | None:
    """Basic authentication, then OPERATE on SYSTEM (StarRocks PR 73822)."""
    try:
        name, _, password = (
            base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        return Reply(401)
    user = cluster.users.get(name)
    if user is None or user.auth_string != native_password(password):
        return Reply(401)
    return None if "OPERATE" in user.privileges else Reply(403)


class MetaServer(Listener):
    """The listener of that interface; one request a connection."""

    def __init__(self, reply: Callable[[str, str], Reply], port: int = 0) -> None:
        super().__init__(port)
        self._reply = reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request's head and answer it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return
        request, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts = request.split(" ")
        reply = self._reply(parts[1], headers.get("authorization", "")) if len(parts) == 3 else Reply(400)
        body = reply.body.encode()
        answered = f"HTTP/1.1 {reply.status} {REASONS[reply.status]}\r\nContent-Type: {reply.media_type}\r\n"
        answered += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(answered.encode() + body)
        await writer.drain()
