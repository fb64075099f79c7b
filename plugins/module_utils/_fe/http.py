# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What an FE says over HTTP and not in SQL: which metadata image it holds, and the counters of its images."""

from __future__ import annotations

import base64
import http.client
import json
import re
from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends

# fe.conf's http_port, unless SHOW FRONTENDS says another.
HTTP_PORT = 8030
# Without the metrics of single tables, which an anonymous reader does not get, an FE's answer is some 100 KiB.
_LONGEST = 4 * 1024 * 1024
_HA = "/api/show_meta_info?action=SHOW_HA"
_COUNTER = re.compile(r"^starrocks_fe_(image_write|image_push)(?:\{[^}]*\})?\s+([0-9.eE+]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MetaInfo:
    """What an FE says of its own metadata.

    `journal_id` is the largest journal id: on the leader the one written last, on others the one replayed last.
    `image_id` is the journal id that its newest image ends with, None while it has none.
    """

    journal_id: int
    image_id: int | None


def meta_info(frontends: Frontends, pod: str, port: int | None, *, timeout: float) -> MetaInfo:
    """What that FE's ShowMetaInfoAction answers (fe-core: com/starrocks/http/rest/ShowMetaInfoAction.java).

    Open to everybody, unless enable_http_auth is on (StarRocks pull request 73822): then it needs OPERATE on SYSTEM.
    Raises Unreachable or Denied.
    """
    text = _get(frontends, pod, port or HTTP_PORT, _HA, timeout)
    try:
        document = json.loads(text)
        image = document.get("last_checkpoint_version")
        return MetaInfo(int(document["current_journal_id"]), None if image is None else int(image))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RolloutError(
            f"FE {pod} answered {_HA} with what cannot be used: {type(error).__name__}.",
            remedy=f"See what it answers: kubectl exec {pod} -- curl -s '127.0.0.1:{port or HTTP_PORT}{_HA}'",
        ) from error


def image_counters(frontends: Frontends, pod: str, port: int | None, *, timeout: float) -> dict[str, int]:
    """The FE's counters image_write and image_push since its process started; empty where it does not tell them.

    Until 3.3 a push counts once, when every other FE has the image (com/starrocks/leader/Checkpoint.java); later once
    for each FE and format (CheckpointController.java).
    """
    try:
        text = _get(frontends, pod, port or HTTP_PORT, "/metrics", timeout)
    except RolloutError:
        return {}
    return {name: int(float(value)) for name, value in _COUNTER.findall(text)}


def _get(frontends: Frontends, pod: str, port: int, path: str, timeout: float) -> str:
    status, text = _exchange(frontends, pod, port, path, timeout, {})
    if status == 401:
        status, text = _exchange(frontends, pod, port, path, timeout, _authorization(frontends, pod, path))
    if status in (401, 403):
        raise Denied(
            f"FE {pod} does not let user {frontends.credentials().user} read {path} (status {status}).",
            remedy=f"GRANT OPERATE ON SYSTEM TO USER {frontends.credentials().user}, as enable_http_auth asks for.",
        )
    if status != 200:
        raise Unreachable(f"FE {pod} answered {path} with status {status}.", remedy="Look at the FE's log.")
    return text


def _authorization(frontends: Frontends, pod: str, path: str) -> dict[str, str]:
    """Basic authentication. The password is not sent in the clear where the connection of the SQL must not be."""
    if frontends.demands_tls:
        raise Denied(
            f"FE {pod} asks for a password for {path} over plain HTTP, and fe_tls is required.",
            remedy="Set fe_tls to preferred for this, or leave the hook create-image out.",
        )
    given = frontends.credentials()
    pair = f"{given.user}:{given.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _exchange(
    frontends: Frontends, pod: str, port: int, path: str, timeout: float, headers: dict[str, str]
) -> tuple[int, str]:
    """One request on a connection of its own: status and body."""
    lines = {"Host": f"{pod}:{port}", "Connection": "close", "Accept": "*/*", **headers}
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    wire = frontends.open_port(pod, port)
    try:
        wire.within(timeout)
        wire.sendall(request.encode())
        answer = http.client.HTTPResponse(wire, method="GET")  # type: ignore[arg-type]
        answer.begin()
        return answer.status, answer.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(
            f"FE {pod} did not answer {path} on port {port}: {type(error).__name__}: {error}.",
            remedy="Check that the pod runs, and that its http_port can be reached as its query port is.",
        ) from error
    finally:
        wire.close()
