# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image holds: the tree that its Containerfile copies, laid out and run. No image is built here."""

from __future__ import annotations

import re
from pathlib import Path

import lay_out_image
import operator_base
import pytest
import yaml
from scenarios.cluster import StarRocks
from scenarios.operating import Operation, configuration
from scenarios.playbook import ROOT, Driver

CONTAINERFILE = lay_out_image.CONTAINERFILE.read_text("utf-8")
ENVIRONMENT = lay_out_image.environment(CONTAINERFILE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root folder of the image, as far as it comes from here."""
    target = tmp_path_factory.mktemp("image")
    lay_out_image.lay_out(CONTAINERFILE, ROOT, target)
    return target


@pytest.mark.oldest
def test_the_tree_runs_a_pass(
    tree: Path, calm: StarRocks, asked: Driver, operator_account: Path, tmp_path: Path
) -> None:
    """With nothing of the checkout on Ansible's path. The oldest supported versions are nearly the image's."""
    folder = configuration(tmp_path / "configuration")
    collections = tree / ENVIRONMENT["ANSIBLE_COLLECTIONS_PATH"].lstrip("/")
    operation = Operation(tmp_path, operator_account, folder, collections)
    ended = operation.run("StarRocksCluster", calm.resource).succeeded()
    assert (ended.result["phase"], ended.again_in) == ("None", "")


def test_every_watch_finds_its_playbook(tree: Path) -> None:
    for path in [tree / "opt" / "ansible" / "watches.yaml", *(tree / "opt" / "ansible" / "watches").iterdir()]:
        for watch in yaml.safe_load(path.read_text("utf-8")):
            playbook = watch["playbook"].replace("${ROLLOUT_PLAYBOOKS}", ENVIRONMENT["ROLLOUT_PLAYBOOKS"])
            assert (tree / playbook.lstrip("/")).is_file()


def test_the_deployment_fits_the_image() -> None:
    path = ROOT / "operator" / "kustomize" / "deployment" / "deployment.yaml"
    (container,) = yaml.safe_load(path.read_text("utf-8"))["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert environment["ROLLOUT_CONFIG"] == ENVIRONMENT["ROLLOUT_CONFIG"]
    assert {ENVIRONMENT["ROLLOUT_CONFIG"], "/tmp"} <= mounts
    assert environment["WATCHES_FILE"] == "/opt/ansible/watches.yaml"
    assert container["image"].endswith(yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"])


def test_everything_is_pinned() -> None:
    bases = re.findall(r"^ARG BASE=(.+)$", CONTAINERFILE, re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"quay\.io/operator-framework/ansible-operator:v\d+\.\d+\.\d+", bases[0])
    lines = (ROOT / "operator" / "image" / "requirements.txt").read_text("utf-8")
    pinned = (ROOT / "requirements" / "compat.txt").read_text("utf-8")
    found = re.findall(r"^(\w+==[\d.]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lines, re.MULTILINE)
    assert [name.partition("==")[0] for name, _hashes in found] == ["jmespath", "pymysql", "sqlglot"]
    for name, hashes in found:
        assert f"{name} \\\n{hashes}" in pinned


def test_the_base_is_said_by_digest(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(image: str) -> str:
        raise operator_base.Unresolved(f"{image}: no answer")

    assert operator_base.main(CONTAINERFILE, lambda image: f"{image}@sha256:{'0' * 64}") == 0
    assert capsys.readouterr().out == f"--build-arg BASE={operator_base.base(CONTAINERFILE)}@sha256:{'0' * 64}\n"
    assert operator_base.main(CONTAINERFILE, refused) == 1
    assert capsys.readouterr().err.startswith("operator-base: quay.io/")


def test_nothing_but_the_collection_and_the_watches_gets_in(tree: Path) -> None:
    top = {path.relative_to(tree).parts[:2] for path in tree.rglob("*") if path.is_file()}
    assert top == {("usr", "share"), ("opt", "ansible")}
    ignored = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    wanted = {source for sources, _target in lay_out_image.copies(CONTAINERFILE) for source in sources}
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == wanted | {
        "operator/image/requirements.txt"
    }
