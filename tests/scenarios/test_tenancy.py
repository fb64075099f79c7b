# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy on tenancy in the real API server: nobody gets the operator to do what he may not do himself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from scenarios.manifests import EFFECTIVE_SECONDS, refused_by_policy, type_checking
from scenarios.playbook import ROOT, Driver

from steadylab import Lab
from steadylab.kube import MERGE_PATCH, Api, ApiError

Json = dict[str, Any]
POLICIES = ROOT / "operator" / "policies" / "tenancy.yml"
_COUNTER = itertools.count(1)
WRITE = [
    {
        "apiGroups": ["rollout.steady.dev", "dbupgrade.subbug.learning"],
        "resources": ["starrocksupgrades", "dbupgrades"],
        "verbs": ["get", "create", "patch", "delete"],
    }
]
PATCH = {"apiGroups": ["starrocks.com"], "resources": ["starrocksclusters"], "verbs": ["patch"]}
JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}


def reading(resource: str, *names: str) -> Json:
    """The rule to read objects, by their names or all."""
    rule: Json = {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}
    return {**rule, "resourceNames": list(names)} if names else rule


def secret(name: str) -> Json:
    """A reference to a key of a Secret."""
    return {"secretKeyRef": {"name": name, "key": "token"}}


def webhook(name: str, *headers: str, hmac: str = "") -> Json:
    """A hook that calls a URL with these Secrets."""
    listed = [{"name": f"X-{number}", "valueFrom": secret(entry)} for number, entry in enumerate(headers)]
    signed = {"hmac": secret(hmac)} if hmac else {}
    return {"name": name, "webhook": {"url": "https://hooks.example.com/", "headers": listed, **signed}}


def starrocks_upgrade(**spec: Any) -> tuple[str, Json]:
    """Where to create a StarRocksUpgrade, and which."""
    whole = {"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}, **spec}
    document = {"apiVersion": "rollout.steady.dev/v1alpha1", "kind": "StarRocksUpgrade", "spec": whole}
    return "/apis/rollout.steady.dev/v1alpha1/namespaces/{}/starrocksupgrades", document


def database_upgrade(url: str, *pull: str) -> tuple[str, Json]:
    """Where to create a DBUpgrade, and which."""
    spec: Json = {
        "migrations": {"image": "example.com/migrations:v1"},
        "database": {"type": "selfHosted", "connection": {"urlSecretRef": {"name": url, "key": "url"}}},
        "runner": {"imagePullSecrets": [{"name": name} for name in pull]},
    }
    document = {"apiVersion": "dbupgrade.subbug.learning/v1alpha1", "kind": "DBUpgrade", "spec": spec}
    return "/apis/dbupgrade.subbug.learning/v1alpha1/namespaces/{}/dbupgrades", document


class Tenant:
    """A namespace, and people who may do certain things in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.namespace = f"tenant-{next(_COUNTER)}"
        lab.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def person(self, *rules: Json) -> Api:
        """Somebody who may write our objects, and what else the rules say."""
        name = f"author-{next(_COUNTER)}"
        return Api(self.lab.user_kubeconfig(name, [*WRITE, *rules], self.namespace))

    def create(self, who: Api, wanted: tuple[str, Json], **options: str) -> str:
        """Create an object; its path."""
        path, document = wanted
        name = f"made-{next(_COUNTER)}"
        path = path.format(self.namespace)
        who.request("POST", path, {**document, "metadata": {"name": name}}, query=options or None)
        return f"{path}/{name}"

    def refused(self, who: Api, wanted: tuple[str, Json], *parts: str) -> None:
        """Assert that creating it is refused with these words."""
        with pytest.raises(ApiError) as caught:
            self.create(who, wanted)
        assert [part for part in parts if part not in str(caught.value)] == [], caught.value


@pytest.fixture(scope="module")
def tenant(lab: Lab, upgrades_defined: None, databases_defined: None) -> Iterator[Tenant]:
    """A tenant inside the policies, which go again afterwards."""
    lab.kubectl("apply", "--server-side", "--validate=strict", f"--filename={POLICIES}")
    made = Tenant(lab)
    nobody = made.person()
    everybody = made.person(PATCH, reading("secrets"), reading("configmaps"))
    _await_policies(made, nobody, everybody)
    yield made
    lab.kubectl("delete", f"--filename={POLICIES}")
    lab.remove_namespace(made.namespace, wait=False)


def _await_policies(tenant: Tenant, nobody: Api, everybody: Api) -> None:
    """The API server takes policies up when it sees them, and tells nobody."""
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while not _in_force(tenant, nobody, everybody):
        assert time.monotonic() < deadline, "a policy refuses nothing"


def _in_force(tenant: Tenant, nobody: Api, everybody: Api) -> bool:
    """Each policy refuses somebody, which a while after its creation it does not."""
    for wanted in (starrocks_upgrade(), database_upgrade("source")):
        try:
            tenant.create(nobody, wanted, dryRun="All")
        except ApiError as error:
            if refused_by_policy(error):
                continue
        return False
    tenant.create(everybody, starrocks_upgrade(), dryRun="All")
    return True


def test_the_api_server_finds_nothing_to_say_about_the_expressions(tenant: Tenant) -> None:
    for manifest in yaml.safe_load(POLICIES.read_text("utf-8"))["items"]:
        if manifest["kind"] == "ValidatingAdmissionPolicy":
            name = manifest["metadata"]["name"]
            assert type_checking(tenant.lab, name) == {}, name


def test_the_target_has_to_be_the_authors_to_change(tenant: Tenant) -> None:
    tenant.refused(tenant.person(), starrocks_upgrade(), "spec.clusterRef.name prod", "may not patch")
    other = {**PATCH, "resourceNames": ["test"]}
    tenant.refused(tenant.person(other), starrocks_upgrade(), "spec.clusterRef.name prod")
    tenant.create(tenant.person({**PATCH, "resourceNames": ["prod"]}), starrocks_upgrade())


@pytest.mark.parametrize("stage", ["pre", "post", "rollback"])
def test_a_secret_of_a_webhook_has_to_be_the_authors_to_read(stage: str, tenant: Tenant) -> None:
    hooks = [webhook("tell", "token-1", "token-2", hmac="signing"), webhook("again", "token-2")]
    wanted = starrocks_upgrade(stages={stage: hooks})
    tenant.refused(tenant.person(PATCH), wanted, "Secret signing", "may not read it")
    some = tenant.person(PATCH, reading("secrets", "signing", "token-1"))
    tenant.refused(some, wanted, "Secret token-2")
    tenant.create(tenant.person(PATCH, reading("secrets", "signing", "token-1", "token-2")), wanted)
    tenant.create(tenant.person(PATCH, reading("secrets")), wanted)


def test_a_configmap_of_a_hook_has_to_be_the_authors_to_read(tenant: Tenant) -> None:
    wanted = starrocks_upgrade(stages={"pre": [{"name": "sql", "configMap": {"name": "hooks", "key": "a.sql"}}]})
    tenant.refused(tenant.person(PATCH, reading("secrets")), wanted, "ConfigMap hooks", "may not read it")
    tenant.create(tenant.person(PATCH, reading("configmaps", "hooks")), wanted)


def test_a_guard_is_a_job_of_the_authors(tenant: Tenant) -> None:
    wanted = starrocks_upgrade(guard={"image": "example.com/ansible:1"})
    tenant.refused(tenant.person(PATCH), wanted, "spec.guard", "may not create Jobs")
    tenant.create(tenant.person(PATCH, JOBS), wanted)


def test_the_url_of_a_database_has_to_be_the_authors_to_read(tenant: Tenant) -> None:
    wanted = database_upgrade("source", "pull")
    tenant.refused(tenant.person(reading("secrets", "pull")), wanted, "Secret source")
    tenant.refused(tenant.person(reading("secrets", "source")), wanted, "Secret pull")
    tenant.create(tenant.person(reading("secrets", "source", "pull")), wanted)


def test_six_names_are_looked_at_one_by_one(tenant: Tenant) -> None:
    six = [f"token-{number}" for number in range(6)]
    allowed = tenant.person(PATCH, reading("secrets", *six, "token-6"), reading("configmaps"))
    tenant.create(allowed, starrocks_upgrade(stages={"pre": [webhook("tell", *six)]}))
    seven = starrocks_upgrade(stages={"pre": [webhook("tell", *six, "token-6")]})
    tenant.refused(allowed, seven, "more than 6 Secrets")
    tenant.create(tenant.person(PATCH, reading("secrets")), seven)


def test_a_change_of_the_spec_is_asked_about_and_no_other(tenant: Tenant) -> None:
    path = tenant.create(tenant.lab.setup_api, starrocks_upgrade())
    author = tenant.person()
    author.request("PATCH", path, {"metadata": {"labels": {"team": "a"}}}, MERGE_PATCH)
    with pytest.raises(ApiError, match="may not patch"):
        author.request("PATCH", path, {"spec": {"target": {"version": "3.3.3"}}}, MERGE_PATCH)


def test_a_hook_of_a_cluster_has_to_be_its_authors_to_read(tenant: Tenant, asked: Driver) -> None:
    """Where the definition of StarRocksCluster knows the field."""
    asked.run({}, playbook="starrocks_crd").succeeded()
    create = {**PATCH, "verbs": ["create"]}
    custom = {"custom": {"configMapName": "hooks", "scriptKey": "a.sql"}}
    spec = {"starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.3.1", "replicas": 1, "upgradeHooks": custom}}
    document = {"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "spec": spec}
    wanted = "/apis/starrocks.com/v1/namespaces/{}/starrocksclusters", document
    tenant.refused(tenant.person(create), wanted, "ConfigMap hooks", "may not read it")
    allowed = tenant.person(create, reading("configmaps", "hooks"))
    tenant.create(allowed, wanted, dryRun="All")
    asked.run({}, playbook="starrocks_crd", state="original").succeeded()
