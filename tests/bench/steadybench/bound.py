# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound: the same pods in the same order with as little as can be, and no gate, setting, record or lease.

Raw HTTP on two connections: one watch of the pods, and one patch of the StarRocksCluster for each pod.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit


def connections(kubeconfig: Path) -> tuple[http.client.HTTPSConnection, http.client.HTTPSConnection]:
    """Two connections as a kubeconfig of the lab says, which is JSON with everything inside."""
    config = json.loads(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pair:
        for name in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[name]) + b"\n")
        pair.flush()
        context.load_cert_chain(pair.name)
    address = urlsplit(cluster["server"])
    host, port = str(address.hostname), address.port
    return (
        http.client.HTTPSConnection(host, port, context=context),
        http.client.HTTPSConnection(host, port, context=context),
    )


def events(connection: http.client.HTTPSConnection, namespace: str) -> Iterator[dict[str, Any]]:
    """The pods of the namespace, first those that are there, then each change."""
    connection.request("GET", f"/api/v1/namespaces/{quote(namespace)}/pods?watch=true")
    with connection.getresponse() as response:
        while line := response.readline():
            yield json.loads(line)


def patch(connection: http.client.HTTPSConnection, namespace: str, cluster: str, spec: dict[str, Any]) -> None:
    """Merge into the spec of the StarRocksCluster."""
    path = f"/apis/starrocks.com/v1/namespaces/{quote(namespace)}/starrocksclusters/{quote(cluster)}"
    headers = {"Content-Type": "application/merge-patch+json"}
    connection.request("PATCH", path, json.dumps({"spec": spec}), headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"PATCH {path}: {answer.status} {body.decode()}")


def ready_with(event: dict[str, Any], name: str, image: str) -> bool:
    """Whether the event shows that pod ready with that image."""
    pod = event["object"]
    if pod["metadata"]["name"] != name or event["type"] == "DELETED" or pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod["status"].get("conditions") or ()
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return ready and any(container["image"] == image for container in pod["spec"]["containers"])


def main() -> None:
    """Walk every pod of the components given, from the highest ordinal down."""
    parser = argparse.ArgumentParser(prog="bound")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("namespace")
    parser.add_argument("cluster")
    parser.add_argument("version")
    parser.add_argument("components", nargs="+", help="such as be=3 fe=3")
    options = parser.parse_args()
    watching, patching = connections(options.kubeconfig)
    seen = events(watching, options.namespace)
    for text in options.components:
        component, _, replicas = text.partition("=")
        image = f"starrocks/{component}-ubuntu:{options.version}"
        for ordinal in reversed(range(int(replicas))):
            strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": ordinal}}
            change = {"image": image, "updateStrategy": strategy}
            patch(patching, options.namespace, options.cluster, {f"starRocks{component.capitalize()}Spec": change})
            name = f"{options.cluster}-{component}-{ordinal}"
            next(event for event in seen if ready_with(event, name, image))
            print(f"{name} {image}", flush=True)


if __name__ == "__main__":
    main()
