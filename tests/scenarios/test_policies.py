# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admission policy, in the real API server: what it refuses, with which words, and what it lets through."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pytest
import yaml
from scenarios.cluster import COMPONENTS, Object, StarRocks
from scenarios.conftest import MakeCluster, MakeDriver, make_cluster
from scenarios.manifests import EFFECTIVE_SECONDS, refused_by_policy, type_checking
from scenarios.playbook import ROOT
from scenarios.rights import ROOT_SECRET, USER_SECRET, named, shipped

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import Preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import mirror
from steadylab import Lab
from steadylab.kube import MERGE_PATCH, Api, ApiError, path_of

POLICY: Final = ROOT / "operator" / "policies" / "starrocks-preparation.yml"
NAME: Final = "starrocks-preparation.rollout.steady.dev"
DEFINITION: Final = "starrocksclusters.starrocks.com"
PREPARATION: Final = "rollout.steady.dev/upgrade-preparation"
REQUIRE: Final = {"rollout.steady.dev/require-preparation": "true"}
TRIGGER: Final = {"starrocks.com/prepare-upgrade": "true"}
RUNNER: Final = "steady-runner"
EDIT: Final[list[Object]] = [
    {"apiGroups": ["starrocks.com"], "resources": ["starrocksclusters"], "verbs": ["get", "patch", "create"]},
    {"apiGroups": ["starrocks.com"], "resources": ["starrocksclusters/status"], "verbs": ["patch"]},
]


def image(component: str, version: str) -> str:
    return f"starrocks/{component}-ubuntu:{version}"


def images(version: str, *components: str) -> dict[str, str]:
    return {component: image(component, version) for component in components}


def change(**components: str) -> Object:
    """A patch of images: `be="3.3.2"`."""
    return {"spec": {COMPONENTS[name]: {"image": image(name, tag)} for name, tag in components.items()}}


def prepared(
    target: dict[str, str], *, phase: str = "Completed", held: bool = True, before: dict[str, str] | None = None
) -> dict[str, str]:
    """Our annotation: the cluster as it was made, prepared for a target."""
    document = {
        "from": images("3.3.1", "fe", "be") if before is None else before,
        "held": held,
        "hooks": [{"name": 'a "phase":"Completed","held":true,"target":{"be":"b"}', "result": "done"}],
        "phase": phase,
        "target": target,
    }
    return {PREPARATION: json.dumps(document, sort_keys=True, separators=(",", ":"))}


def annotated(*annotations: Mapping[str, str | None]) -> Object:
    """A patch of annotations, None for one that goes."""
    return {"metadata": {"annotations": {key: value for each in annotations for key, value in each.items()}}}


@dataclass(frozen=True)
class Fence:
    """A cluster inside the fence, and clients of those who stand before it."""

    starrocks: StarRocks
    person: Api
    runner: Api
    breaker: Api

    def ask(self, who: Api, patch: Object, *, dry_run: bool = True) -> Object:
        """Patch the StarRocksCluster, as a rule without effect; raises ApiError when refused."""
        path = path_of("StarRocksCluster", self.starrocks.namespace, self.starrocks.name)
        return who.request("PATCH", path, patch, MERGE_PATCH, {"dryRun": "All"} if dry_run else None)

    def refused(self, who: Api, patch: Object, *parts: str) -> None:
        """Assert that a patch is refused, with a message that has all the parts."""
        with pytest.raises(ApiError) as caught:
            self.ask(who, patch)
        assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
        assert [part for part in parts if part not in str(caught.value)] == [], caught.value


def documented_narrowing(namespace: str) -> Object:
    """What docs/access.md says to add to the binding, for another namespace."""
    text = (ROOT / "docs" / "access.md").read_text("utf-8").split("To fence some namespaces only")[1]
    block = text.split("```yaml")[1].split("```")[0]
    fields: Object = yaml.safe_load(block.replace("name: starrocks", f"name: {namespace}"))["spec"]
    return fields


def install(lab: Lab, namespace: str, params: str) -> None:
    """Install the policy as it is shipped, its binding narrowed to one namespace."""
    for manifest in yaml.safe_load(POLICY.read_text("utf-8"))["items"]:
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding":
            manifest["metadata"]["name"] = f"{NAME}.{namespace}"
            manifest["spec"]["paramRef"]["name"] = params
            manifest["spec"] |= documented_narrowing(namespace)
        if manifest["kind"] == "ConfigMap":
            manifest["data"]["users"] += f"  {RUNNER}  \n"
        lab.setup_api.apply(manifest)


def fence_of(starrocks: StarRocks, params: str = "steady-rollout-admission") -> Iterator[Fence]:
    lab, namespace = starrocks.lab, starrocks.namespace
    install(lab, namespace, params)
    people = {
        name: Api(lab.user_kubeconfig(f"{name}-{namespace}", EDIT, namespace, groups))
        for name, groups in (("person", ()), ("breaker", ("rollout.steady.dev:break-glass",)))
    }
    runner = Api(lab.user_kubeconfig(RUNNER, EDIT, namespace))
    fence = Fence(starrocks, people["person"], runner, people["breaker"])
    if params == "steady-rollout-admission":
        wait_effective(fence)
    else:
        first_refusal(fence, annotated({"example.com/probe": "true"}))
    yield fence
    lab.setup_api.delete("ValidatingAdmissionPolicyBinding", f"{NAME}.{namespace}")


def first_refusal(fence: Fence, patch: Object) -> str:
    """Why a patch is refused, once it is: the API server takes changes up when it sees them, and tells nobody."""
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while True:
        try:
            fence.ask(fence.person, patch)
        except ApiError as error:
            if refused_by_policy(error):
                return str(error)
        assert time.monotonic() < deadline, "no policy refuses it"


def wait_effective(fence: Fence) -> None:
    """Wait until the policy is in force, with its ConfigMap."""
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while "no params found" in first_refusal(fence, annotated({"rollout.steady.dev/probe": "true"})):
        assert time.monotonic() < deadline, "the ConfigMap is not seen"


@pytest.fixture(scope="module")
def shared(lab: Lab) -> Iterator[Fence]:
    """A cluster whose specification no test of this module changes."""
    starrocks = make_cluster(lab, namespace="fenced", fe=1, be=1)
    yield from fence_of(starrocks)
    lab.remove_namespace(starrocks.namespace, wait=False)


@pytest.fixture
def fence(shared: Fence) -> Iterator[Fence]:
    """That cluster without a trigger and without annotations of ours."""
    yield shared
    clean = {"metadata": {"annotations": None, "labels": dict.fromkeys(REQUIRE)}}
    shared.ask(shared.runner, clean, dry_run=False)
    namespace = {"metadata": {"labels": dict.fromkeys(REQUIRE)}}
    shared.starrocks.api.patch("Namespace", shared.starrocks.namespace, namespace)


# Image changes.


def test_a_cluster_that_requires_nothing_is_left_alone(fence: Fence) -> None:
    fence.ask(fence.person, change(be="3.3.2"))
    fence.ask(fence.person, annotated({"starrocks.com/prepare-upgrade": "false"}))
    fence.ask(fence.person, {"spec": {"starRocksBeSpec": {"replicas": 2}}})


@pytest.mark.parametrize(
    "state", [annotated(TRIGGER), {"metadata": {"labels": REQUIRE}}], ids=["annotation", "label of the cluster"]
)
def test_a_required_preparation_holds_an_image_back(state: Object, fence: Fence) -> None:
    fence.ask(fence.runner, state, dry_run=False)
    fence.refused(
        fence.person,
        change(be="3.3.2"),
        f"spec.starRocksBeSpec.image {image('be', '3.3.1')} -> {image('be', '3.3.2')}: this cluster requires"
        " preparation, and it is not prepared",
        "Name the version in the annotation starrocks.com/upgrade-target",
        "let starrocks_reconcile prepare the cluster",
        "until the annotation rollout.steady.dev/upgrade-preparation says Completed",
    )
    fence.refused(fence.person, change(be="3.3.2", fe="3.3.2"), "spec.starRocksBeSpec.image", "spec.starRocksFeSpec")
    fence.ask(fence.person, {"spec": {"starRocksBeSpec": {"replicas": 2}}})


def test_a_namespace_can_require_preparation(fence: Fence) -> None:
    api, namespace = fence.starrocks.api, fence.starrocks.namespace
    api.patch("Namespace", namespace, {"metadata": {"labels": REQUIRE}})
    assert "requires preparation" in first_refusal(fence, change(be="3.3.2"))


@pytest.mark.parametrize(
    "fields",
    [
        {"upgradePreparation": {"enabled": True}},
        {"starRocksFeSpec": {"upgradeHooks": {"predefined": ["disable-balancer"]}}},
    ],
    ids=["upgradePreparation", "upgradeHooks"],
)
def test_the_fields_of_an_extended_definition_require_preparation(fields: Object, fence: Fence, extended: None) -> None:
    fence.ask(fence.person, {"spec": fields}, dry_run=False)
    fence.refused(fence.person, change(be="3.3.2"), "spec.starRocksBeSpec.image", "requires preparation")
    fence.ask(fence.person, {"spec": {"upgradePreparation": {"enabled": False}}})
    gone = {"spec": {"upgradePreparation": None, "starRocksFeSpec": {"upgradeHooks": None}}}
    fence.ask(fence.person, gone, dry_run=False)
    fence.ask(fence.person, change(be="3.3.2"))


@pytest.fixture
def extended(fence: Fence) -> Iterator[None]:
    """The definition of StarRocksCluster with the fields of upgrade preparation, for one test."""
    api = fence.starrocks.api
    original = api.get("CustomResourceDefinition", DEFINITION)["spec"]["versions"]
    wider = copy.deepcopy(original)
    properties = wider[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties["upgradePreparation"] = free
    properties["starRocksFeSpec"]["properties"]["upgradeHooks"] = free
    api.patch("CustomResourceDefinition", DEFINITION, {"spec": {"versions": wider}})
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    probe = {"spec": {"upgradePreparation": {"enabled": False}}}
    while "upgradePreparation" not in fence.ask(fence.runner, probe)["spec"]:
        assert time.monotonic() < deadline, "the definition was not taken up"
    yield
    api.patch("CustomResourceDefinition", DEFINITION, {"spec": {"versions": original}})


def test_taking_the_trigger_away_in_the_same_write_does_not_help(fence: Fence) -> None:
    fence.ask(fence.person, annotated(TRIGGER), dry_run=False)
    fence.refused(fence.person, {**annotated(dict.fromkeys(TRIGGER)), **change(be="3.3.2")}, "requires preparation")


def test_setting_the_trigger_with_the_image_is_too_late(fence: Fence) -> None:
    fence.refused(fence.person, {**annotated(TRIGGER), **change(be="3.3.2")}, "requires preparation")


@pytest.mark.parametrize(
    ("phase", "held", "words"),
    [
        ("Pending", False, "its preparation is Pending and not in force"),
        ("Running", False, "its preparation is Running and not in force"),
        ("Failed", True, "its preparation is Failed."),
        ("Completed", False, "its preparation is Completed and not in force"),
    ],
)
def test_a_preparation_that_is_not_in_force_admits_nothing(phase: str, held: bool, words: str, fence: Fence) -> None:
    state = annotated(TRIGGER, prepared(images("3.3.2", "be"), phase=phase, held=held))
    fence.ask(fence.runner, state, dry_run=False)
    fence.refused(fence.person, change(be="3.3.2"), "spec.starRocksBeSpec.image", words)


def test_the_image_it_was_prepared_for_passes(fence: Fence) -> None:
    state = annotated(TRIGGER, prepared(images("3.3.2", "be", "fe")))
    fence.ask(fence.runner, state, dry_run=False)
    fence.ask(fence.person, change(be="3.3.2"))
    fence.ask(fence.person, change(be="3.3.2", fe="3.3.2"))


def test_another_image_does_not_pass(fence: Fence) -> None:
    fence.ask(fence.runner, annotated(TRIGGER, prepared(images("3.3.2", "be"))), dry_run=False)
    fence.refused(
        fence.person,
        change(be="3.3.3"),
        "spec.starRocksBeSpec.image",
        'prepared for {"be":"starrocks/be-ubuntu:3.3.2"}',
    )
    fence.refused(fence.person, change(fe="3.3.2"), "spec.starRocksFeSpec.image")
    fence.refused(fence.person, change(be="3.3.2", fe="3.3.2"), "spec.starRocksFeSpec.image")


def test_while_nobody_has_named_a_target_any_next_image_passes(fence: Fence) -> None:
    fence.ask(fence.runner, annotated(TRIGGER, prepared({})), dry_run=False)
    fence.ask(fence.person, change(be="3.3.3"))


def test_a_preparation_from_other_images_is_not_for_this_change(fence: Fence) -> None:
    """As after an upgrade that was prepared, when the annotation of that time still stands."""
    state = annotated(TRIGGER, prepared({}, before=images("3.3.0", "be", "fe")))
    fence.ask(fence.runner, state, dry_run=False)
    fence.refused(fence.person, change(be="3.3.2"), 'from {"be":"starrocks/be-ubuntu:3.3.0"')


def test_a_person_may_go_back(fence: Fence) -> None:
    state = annotated(TRIGGER, prepared(images("3.3.1", "be"), before=images("3.3.0", "be", "fe")))
    fence.ask(fence.runner, state, dry_run=False)
    fence.ask(fence.person, change(be="3.3.0"))


@pytest.mark.parametrize("text", ['3.3.2","fe":"starrocks/fe-ubuntu:3.3.2', "3.3.2 ", ""])
def test_an_image_that_is_no_image_never_passes(text: str, fence: Fence) -> None:
    fence.ask(fence.runner, annotated(TRIGGER, prepared(images("3.3.2", "be", "fe"))), dry_run=False)
    fence.refused(fence.person, change(be=text), "spec.starRocksBeSpec.image")


# Annotations.


@pytest.mark.parametrize("key", [PREPARATION, "rollout.steady.dev/anything"])
def test_only_the_product_writes_its_annotations(key: str, fence: Fence) -> None:
    fence.refused(
        fence.person,
        annotated({key: "mine"}),
        f"metadata.annotations[{key}] mine: only steady.rollout writes annotations of rollout.steady.dev",
        "data.users of the ConfigMap steady-rollout/steady-rollout-admission",
    )
    fence.ask(fence.runner, annotated({key: "ours"}), dry_run=False)
    fence.refused(fence.person, annotated({key: "other"}), f"metadata.annotations[{key}] other")
    fence.refused(fence.person, annotated({key: None}), f"metadata.annotations[{key}] removed")
    fence.ask(fence.person, annotated({key: "ours"}))
    fence.ask(fence.person, annotated({"example.com/note": "free"}))


def test_a_new_cluster_brings_no_annotation_of_ours(fence: Fence) -> None:
    namespace = fence.starrocks.namespace
    manifest: Object = {
        "apiVersion": "starrocks.com/v1",
        "kind": "StarRocksCluster",
        "metadata": {"name": "other", "namespace": namespace, "annotations": prepared({})},
        "spec": {"starRocksFeSpec": {"image": image("fe", "3.3.1")}},
    }
    create = ("POST", path_of("StarRocksCluster", namespace))
    with pytest.raises(ApiError, match=r"only steady\.rollout writes annotations"):
        fence.person.request(*create, manifest, query={"dryRun": "All"})
    manifest["metadata"]["annotations"] = TRIGGER
    fence.person.request(*create, manifest, query={"dryRun": "All"})


def test_a_write_of_the_status_changes_no_annotation(fence: Fence) -> None:
    """So nothing has to guard it: the API server drops all but the status there."""
    patch = {**annotated({PREPARATION: "mine"}), "status": {"phase": "running"}}
    path = path_of("StarRocksCluster", fence.starrocks.namespace, fence.starrocks.name, "status")
    answer = fence.person.request("PATCH", path, patch, MERGE_PATCH)
    assert PREPARATION not in answer["metadata"].get("annotations", {})


# Who passes.


def test_the_product_changes_images_as_it_must(fence: Fence) -> None:
    fence.ask(fence.runner, annotated(TRIGGER), dry_run=False)
    fence.ask(fence.runner, change(be="3.3.2"))


def test_breaking_the_glass_passes_and_leaves_a_trace(fence: Fence) -> None:
    lab, user = fence.starrocks.lab, f"breaker-{fence.starrocks.namespace}"
    fence.ask(fence.runner, annotated(TRIGGER), dry_run=False)
    seen = len(lab.audit_entries())
    fence.ask(fence.breaker, {**annotated({PREPARATION: "mine"}), **change(be="3.3.2")})
    (entry,) = [entry for entry in lab.audit_entries()[seen:] if entry["user"]["username"] == user]
    assert entry["annotations"][f"{NAME}/break-glass"] == (
        f"{user} changed, past the fence: spec.starRocksBeSpec.image {image('be', '3.3.1')} -> {image('be', '3.3.2')}, "
        f"metadata.annotations[{PREPARATION}]"
    )


def test_the_glass_is_broken_by_who_may_impersonate_the_group(fence: Fence) -> None:
    """The command of docs/access.md; the audit log has both names."""
    lab, namespace = fence.starrocks.lab, fence.starrocks.namespace
    fence.ask(fence.runner, annotated(TRIGGER), dry_run=False)
    ada = ("--as=ada", "--as-group=rollout.steady.dev:break-glass", f"--namespace={namespace}")
    lab.user_kubeconfig("ada", EDIT, namespace)
    seen = len(lab.audit_entries())
    patch = json.dumps(change(be="3.3.2"))
    lab.kubectl(*ada, "patch", "starrockscluster", "prod", "--type=merge", f"--patch={patch}", "--dry-run=server")
    traced = [entry for entry in lab.audit_entries()[seen:] if f"{NAME}/break-glass" in entry["annotations"]]
    assert [entry["impersonatedUser"]["username"] for entry in traced] == ["ada"]
    assert traced[0]["annotations"][f"{NAME}/break-glass"].startswith("ada changed, past the fence: ")


def test_what_needs_no_glass_broken_leaves_no_trace(fence: Fence) -> None:
    lab = fence.starrocks.lab
    seen = len(lab.audit_entries())
    fence.ask(fence.breaker, change(be="3.3.2"))
    fence.ask(fence.runner, annotated({PREPARATION: "ours"}))
    assert not [entry for entry in lab.audit_entries()[seen:] if f"{NAME}/break-glass" in entry["annotations"]]


def test_a_refusal_is_in_the_audit_log(fence: Fence) -> None:
    mark = fence.starrocks.mark()
    fence.refused(fence.person, annotated({PREPARATION: "mine"}))
    (entry,) = fence.starrocks.requests(mark)
    assert PREPARATION in entry["annotations"]["validation.policy.admission.k8s.io/validation_failure"]


def test_without_its_configmap_nobody_passes(cluster: MakeCluster) -> None:
    starrocks = cluster(fe=1, be=1)
    for fence in fence_of(starrocks, params="steady-rollout-nowhere"):
        for who in (fence.person, fence.runner, fence.breaker):
            with pytest.raises(ApiError, match="no params found"):
                fence.ask(who, {"spec": {"starRocksBeSpec": {"replicas": 2}}})


def test_the_annotation_as_the_product_writes_it(fence: Fence) -> None:
    images_before: dict[Component, str] = {"fe": image("fe", "3.3.1"), "be": image("be", "3.3.1")}
    state = Preparation("request", "Completed", images_before, images_before, target={"be": image("be", "3.3.2")})
    for held, text in ((True, mirror(state)), (False, mirror(replace(state, end="rolled-out")))):
        fence.ask(fence.runner, annotated(TRIGGER, {PREPARATION: text}), dry_run=False)
        if held:
            fence.ask(fence.person, change(be="3.3.2"))
            fence.refused(fence.person, change(be="3.3.3"), "it is prepared for")
        else:
            fence.refused(fence.person, change(be="3.3.2"), "its preparation is Completed and not in force")


def test_the_policy_compiles_without_a_warning(fence: Fence) -> None:
    assert type_checking(fence.starrocks.lab, NAME) == {}


@pytest.fixture
def fenced(cluster: MakeCluster) -> Iterator[Fence]:
    """A cluster of its own inside the fence, with a trigger."""
    for fence in fence_of(cluster(fe=3, be=1)):
        fence.ask(fence.person, annotated(TRIGGER), dry_run=False)
        yield fence


@pytest.mark.parametrize("version", ["3.3.2", "3.3.2-broken"], ids=["upgrade", "rollback"])
def test_the_products_own_upgrade_and_rollback_pass(version: str, fenced: Fence, driver: MakeDriver) -> None:
    starrocks = fenced.starrocks
    product = driver(starrocks)
    granted = named(shipped("upgrade"), {ROOT_SECRET: USER_SECRET})
    kubeconfig = starrocks.lab.user_kubeconfig(RUNNER, granted, starrocks.namespace)
    run = product.run(product.document(None, target={"images": {"be": image("be", version)}}), kubeconfig=kubeconfig)
    if version == "3.3.2":
        run.succeeded()
    else:
        run.failed("rolled.back")
    assert starrocks.tags["prod-be-0"] == ("3.3.2" if version == "3.3.2" else "3.3.1")
    starrocks.assert_settings()


def test_the_product_under_another_name_is_told_what_holds_it(fenced: Fence, driver: MakeDriver) -> None:
    starrocks = fenced.starrocks
    product = driver(starrocks)
    run = product.run(product.document(None, target={"images": {"be": image("be", "3.3.2")}}))
    run.failed("starRocksBeSpec.image", "requires preparation")
    starrocks.assert_settings()
    starrocks.assert_released()
