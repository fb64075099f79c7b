# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From a call's options to the things a verb works with: the client, the FEs, the handover."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover, from_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import DNS_LABEL
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.credentials import credentials_from
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions, fe_options
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import (
    ClusterObjects,
    cluster_path,
    pull_secrets,
    read_cluster,
    root_credentials,
    run_mode,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, installation_of


@dataclass(frozen=True)
class Target:
    """One cluster as one call reaches it."""

    client: KubeClient
    fe: FeOptions
    cluster: str
    namespace: str
    installation: Installation = field(default_factory=Installation)

    @classmethod
    def of(cls, call: Call) -> Target:
        """Check the options of the connection and of the installation; nothing is sent yet."""
        params = call.params
        for name in ("cluster", "namespace"):
            if not re.fullmatch(DNS_LABEL, params[name] or ""):
                remedy = "name the StarRocksCluster, in the playbooks as -e cluster=NAMESPACE/NAME"
                raise Refused(name, params[name], "not a name of a Kubernetes object", remedy=remedy)
        installation = installation_of(params)
        client = KubeClient.from_options(params)
        return cls(client, fe_options(params), params["cluster"], params["namespace"], installation)

    def read(self) -> tuple[ClusterObjects, Handover]:
        """Read the cluster's objects, and what later tasks need of them."""
        objects = read_cluster(self.client, self.namespace, self.cluster)
        source = root_credentials(objects.resource) if self.fe.user == "root" else None
        mode = run_mode(self.client, self.namespace, objects.resource)
        handover = Handover(
            cluster=self.cluster,
            namespace=self.namespace,
            uid=str(objects.resource["metadata"]["uid"]),
            workloads=objects.workloads,
            mode=mode or "",
            password_secret=source.secret if source else "",
            password_key=source.key if source else "",
            pull_secrets=pull_secrets(objects.resource),
        )
        return objects, handover

    def handover(self, text: str | None) -> Handover:
        """What the task before handed over, or a fresh look where there was none."""
        if text:
            return from_text(text, cluster=self.cluster, namespace=self.namespace)
        return self.read()[1]

    def frontends(self, handover: Handover) -> Frontends:
        """The FEs; the password is read when one is first connected to, and again when it is refused."""
        return Frontends(self.client, self.cluster, self.namespace, self._credentials(handover), self.fe)

    def _credentials(self, handover: Handover) -> Callable[[], Credentials]:
        """The Secret's name was handed over; a password written into the StarRocksCluster itself never is."""
        options = self.fe
        if options.password is None and not options.secret and handover.password_secret:
            options = replace(options, secret=handover.password_secret, secret_key=handover.password_key)
            return credentials_from(self.client, self.namespace, options, None)
        if options.password is not None or options.secret or options.user != "root":
            return credentials_from(self.client, self.namespace, options, None)
        return self._from_resource

    def _from_resource(self) -> Credentials:
        resource = self.client.get(cluster_path(self.namespace, self.cluster))
        return credentials_from(self.client, self.namespace, self.fe, resource)()
