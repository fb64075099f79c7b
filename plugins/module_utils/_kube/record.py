# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The one record of a target: a JSON document in a ConfigMap, written by compare-and-swap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

KEY = "record.json"
# An object may have 1 MiB in all (https://kubernetes.io/docs/concepts/configuration/configmap/#motivation).
LARGEST = 900 * 1024


class RecordStore:
    """The record of one target. What it gives back is untrusted input: anybody may have edited the ConfigMap."""

    def __init__(self, client: KubeClient, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._labels = dict(labels)

    def load(self) -> tuple[dict[str, Any] | None, str | None]:
        """The record, or None when there is none, and the ConfigMap's resourceVersion, None when it does not exist.

        Raises Refused when the text is no JSON object.
        """
        try:
            found = self._client.get(path_to("v1", "configmaps", self._namespace, self._name))
        except NotFound:
            return None, None
        version = str(found["metadata"]["resourceVersion"])
        text = (found.get("data") or {}).get(KEY)
        return (None if text is None else self._parsed(text)), version

    def save(self, record: Mapping[str, Any], resource_version: str | None) -> str:
        """Write the record if the ConfigMap is still of that version (None: if it does not exist yet).

        Returns the new version; raises Conflict when somebody else wrote in between, Refused when it is too large.
        """
        data = {KEY: self._text(record)}
        if resource_version is None:
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": self._name, "namespace": self._namespace, "labels": self._labels},
                "data": data,
            }
            answer = self._client.create(path_to("v1", "configmaps", self._namespace), body)
        else:
            patch = {"metadata": {"resourceVersion": resource_version, "labels": self._labels}, "data": data}
            answer = self._patched(patch)
        return str(answer["metadata"]["resourceVersion"])

    def _patched(self, patch: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._client.merge_patch(path_to("v1", "configmaps", self._namespace, self._name), patch)
        except NotFound as error:
            raise Conflict(
                f"{self._where()} was deleted while it was in use.", remedy="Find out who deletes it, then run again."
            ) from error

    def _text(self, record: Mapping[str, Any]) -> str:
        text = json.dumps(record, separators=(",", ":"), sort_keys=True, allow_nan=False)
        size = len(text.encode())
        if size >= LARGEST:
            raise Refused(
                self._where(),
                f"{size} bytes",
                f"is too large for a ConfigMap, at most {LARGEST}",
                remedy="Finish or abort the run whose record this is; only its journal and intents belong in it.",
            )
        return text

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise Refused(
                self._where(),
                None,
                "is no JSON object",
                remedy="Restore it from a backup of the ConfigMap; without one compare the FE settings with fe.conf, "
                "set them by hand and delete the ConfigMap.",
            )
        return record

    def _where(self) -> str:
        return f"ConfigMap {self._namespace}/{self._name} key {KEY}"
