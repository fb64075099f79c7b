# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password for a registry: `python -m steadylab.database.guard <port> <port of the registry>`.

The variable REGISTRY_CREDENTIALS holds `user:password`. Whoever does not know it gets 401 with a challenge, as a
registry with basic authentication answers (distribution specification, "Authentication").
"""

from __future__ import annotations

import base64
import http.client
import http.server
import os
import sys
from typing import Final

# Of one connection only (RFC 9110, section 7.6.1); the lengths are made anew here.
_HOP_BY_HOP: Final = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


class Guard(http.server.BaseHTTPRequestHandler):
    """Passes requests with the right credentials on, as they are."""

    protocol_version = "HTTP/1.1"
    wanted: bytes = b""
    upstream: int = 0

    def _handle(self) -> None:
        body = self._body()
        if self.headers.get("Authorization", "").encode() != b"Basic " + self.wanted:
            self._refuse()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
            # The registry makes absolute addresses from the host that it is asked by.
            headers["Host"] = self.headers.get("Host", "")
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in _HOP_BY_HOP:
                self.send_header(key, value)
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            # Trailers say nothing that is of use here.
            continue
        return b"".join(parts)

    def _refuse(self) -> None:
        content = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="lab"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle


def main(port: int, upstream: int) -> None:
    """Serve for ever."""
    Guard.wanted = base64.b64encode(os.environ["REGISTRY_CREDENTIALS"].encode())
    Guard.upstream = upstream
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Guard).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
