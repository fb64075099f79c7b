# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig that runs are given: the reactor's own, with the namespace of the object.

ansible-operator makes one for each run too (internal/ansible/proxy/kubeconfig). Its own leads to a proxy in the
operator and has no namespace; this one leads straight to the API server, with the credentials of the reactor itself.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import SERVICE_ACCOUNT

# Fields of clusters and users that name a file.
_PATHS = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})


class Kubeconfigs:
    """Writes one file for each namespace, readable by this user only. Safe for several threads."""

    def __init__(self, folder: Path, given: str) -> None:
        """`given`: the path of a kubeconfig, or several as in $KUBECONFIG; empty: the usual places, then the pod's."""
        self._folder = folder
        self._document = _document(given)
        self._lock = threading.Lock()

    def path(self, namespace: str) -> Path:
        """The file whose context has the namespace."""
        path = self._folder / f"kubeconfig-{quote(namespace, safe='')}"
        with self._lock:
            if not path.exists():
                text = json.dumps(in_namespace(self._document, namespace))
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                    handle.write(text)
        return path


def in_namespace(document: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The kubeconfig with the namespace in its current context, and no other context."""
    current = document.get("current-context")
    contexts = [entry for entry in document.get("contexts") or [] if entry.get("name") == current]
    moved = [{**entry, "context": {**(entry.get("context") or {}), "namespace": namespace}} for entry in contexts]
    return {**document, "contexts": moved if namespace else contexts}


def _document(given: str) -> dict[str, Any]:
    from kubernetes.config import kube_config

    paths = given or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    merger: Any = kube_config.KubeConfigMerger
    merged = merger(paths).config
    if merged is not None:
        document: dict[str, Any] = _plain(merged, Path())
        return document
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return _service_account(f"[{host}]" if ":" in host else host, port)


def _plain(node: Any, folder: Path) -> Any:
    """What the merger made, as plain values; paths of files, which are relative to the file they stand in, absolute."""
    value = getattr(node, "value", node)
    folder = Path(node.path).absolute().parent if getattr(node, "path", None) else folder
    if isinstance(value, dict):
        plain = {key: _plain(each, folder) for key, each in value.items()}
        return plain | {key: str(folder / plain[key]) for key in _PATHS & plain.keys() if plain[key]}
    return [_plain(each, folder) for each in value] if isinstance(value, list) else value


def _service_account(host: str, port: str) -> dict[str, Any]:
    """A kubeconfig of the pod's service account; its token is read from its file, where it is renewed."""
    cluster = {"server": f"https://{host}:{port}", "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "in-cluster", "cluster": cluster}],
        "users": [{"name": "in-cluster", "user": {"tokenFile": str(SERVICE_ACCOUNT / "token")}}],
        "contexts": [{"name": "in-cluster", "context": {"cluster": "in-cluster", "user": "in-cluster"}}],
        "current-context": "in-cluster",
    }
