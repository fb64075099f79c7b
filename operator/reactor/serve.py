# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others may ask over HTTP: /metrics in one place, /healthz and /readyz in another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from reactor.contract.fields import Fatal

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

Answer = tuple[int, str, bytes]


class Metrics:
    """The reactor's numbers. The first three have the names and labels that they have in ansible-operator.

    `ansible_operator_reconciles` differs in what it says: there it times only the start of a run, here the whole pass.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        build = Gauge("ansible_operator_build_info", "Build information", ["version"], registry=self.registry)
        build.labels(version).set(1)
        self._results = Gauge(
            "ansible_operator_reconcile_result",
            "Reconciles and their results",
            ["GVK", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ansible_operator_reconciles",
            "How long in seconds a pass takes, from the look at the object to its status",
            ["GVK"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._cpu = Counter(
            "steady_reactor_run_cpu_seconds",
            "CPU seconds of runs, with all their processes",
            ["GVK"],
            registry=self.registry,
        )

    def passed(self, kind: str, seconds: float, *, failed: bool, cpu_seconds: float) -> None:
        """A pass in which something was run has ended."""
        self._results.labels(kind, "failed" if failed else "succeeded").inc()
        self._seconds.labels(kind).observe(seconds)
        self._cpu.labels(kind).inc(cpu_seconds)

    def observe(self, look: Callable[[], Iterator[tuple[str, str, str, float]]]) -> None:
        """Ask for numbers that are read when somebody asks: name, help, kind, value of each."""
        self.registry.register(_Looked(look))


class _Looked(Collector):
    def __init__(self, look: Callable[[], Iterator[tuple[str, str, str, float]]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Any]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, text, kind, value in self._look():
            families.setdefault(name, GaugeMetricFamily(name, text, labels=["GVK"])).add_metric([kind], value)
        yield from families.values()


class Server:
    """Serves answers by path over plain HTTP, from a thread of its own."""

    def __init__(self, address: str, answers: dict[str, Callable[[], Answer]]) -> None:
        """`address` is `host:port`, `:port` for all addresses. Raises Fatal when it cannot be had."""
        host, _colon, port = address.rpartition(":")
        if not port.isdigit():
            raise Fatal(f"{address!r} is no address; write one as :8443 or 127.0.0.1:8443")

        class Handler(BaseHTTPRequestHandler):
            """Answers GET; whoever does not send within a few seconds is left."""

            timeout = 5

            def do_GET(self) -> None:
                """Answer one request."""
                answer = answers.get(self.path.partition("?")[0])
                status, kind, body = answer() if answer else (404, _TEXT, b"not found\n")
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody wants a line for each probe."""

        class Listener(ThreadingHTTPServer):
            """Ends with the process, whoever is connected."""

            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        try:
            self._server = Listener((host.strip("[]"), int(port)), Handler)
        except OSError as error:
            raise Fatal(f"{address} cannot be listened on: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name=f"http {address}", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


def metrics_answer(metrics: Metrics) -> Answer:
    """The answer to a scrape."""
    return 200, _METRICS, generate_latest(metrics.registry)


def probe_answer(trouble: str) -> Answer:
    """The answer to a probe: well, or 503 with what is wrong."""
    return (503, _TEXT, f"{trouble}\n".encode()) if trouble else (200, _TEXT, b"ok\n")
