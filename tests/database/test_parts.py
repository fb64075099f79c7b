# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real parts of database tests: servers, registry, images and metrics, as tests use them."""

from __future__ import annotations

import json
import ssl
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import urlencode

import pg8000.exceptions
import pg8000.native
import pytest
import urllib3

from steadylab import Lab
from steadylab.database import packages, servers, tools
from steadylab.database.adapter import matches
from steadylab.database.aws import Sts, python
from steadylab.database.layouts import Entry, files, hardlink, symlink, whiteout
from steadylab.database.metrics import Metrics
from steadylab.database.registry import Registry, RegistryError
from steadylab.database.servers import MariaDB, Postgres

# Servers.


def test_postgres_is_15_and_keeps_its_data_through_a_crash(postgres: Postgres) -> None:
    postgres.create("kept", "keeper", "p'w/ d")
    connection = postgres.connect("kept", "keeper", "p'w/ d")
    connection.run("CREATE TABLE t (id int)")
    connection.close()
    postgres.stop()
    with pytest.raises(pg8000.exceptions.InterfaceError):
        postgres.connect("kept")
    postgres.resume()
    assert postgres.tables("kept") == ["public.t"]
    assert str(postgres.run("SHOW server_version")[0][0]).startswith("15.")


def test_postgres_asks_for_the_right_password(postgres: Postgres) -> None:
    postgres.create("asked", "asker", "old")
    postgres.set_password("asker", "new")
    with pytest.raises(pg8000.exceptions.DatabaseError, match="password authentication failed"):
        postgres.connect("asked", "asker", "old")
    postgres.connect("asked", "asker", "new").close()


def test_postgres_speaks_tls_with_the_labs_authority(lab: Lab, postgres: Postgres) -> None:
    context = ssl.create_default_context(cafile=lab.directory / "pki" / "ca.crt")
    user, password = servers.ADMINISTRATOR, servers.PASSWORD
    connection = pg8000.native.Connection(user, "localhost", "postgres", postgres.port, password, ssl_context=context)
    assert connection.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [[True]]
    connection.close()


def test_packaged_postgres_runs_as_well(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "postgres", packages._packaged_postgres)
    server = Postgres.start(lab.directory, "packaged")
    assert server.run("SELECT 1") == [[1]]
    server.stop()


def test_mariadb_keeps_its_data_through_a_crash(mariadb: MariaDB) -> None:
    mariadb.create("kept", "keeper", "p'w/ d")
    mariadb.run("CREATE TABLE t (id int)", "kept")
    mariadb.stop()
    mariadb.resume()
    assert mariadb.tables("kept") == ["t"]


def _owned(process: Path) -> tuple[int, list[str]]:
    """The user and the command line of a process; a command line of nothing if it is gone."""
    try:
        return process.stat().st_uid, (process / "cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return 0, []


def test_no_server_runs_as_root(postgres: Postgres, mariadb: MariaDB) -> None:
    marks = {f"port={postgres.port}", f"--port={mariadb.port}"}
    # Each is read once: one that has just been forked has another command line a moment later, or is gone.
    found = [_owned(process) for process in Path("/proc").iterdir() if process.name.isdigit()]
    running = [(user, words[0]) for user, words in found if marks & set(words)]
    assert {Path(program).name for _user, program in running} == {"postgres", "mariadbd"}
    assert 0 not in {user for user, _program in running}


def test_atlas_works_on_both_and_its_lock_can_be_held(postgres: Postgres, mariadb: MariaDB, tmp_path: Path) -> None:
    for name, content in tools.hashed({"1_a.sql": "CREATE TABLE a (id int);"}).items():
        (tmp_path / name).write_text(content)
    configuration = tmp_path / "atlas.hcl"
    configuration.write_text('env "x" { \n url = getenv("DATABASE_URL")\n }')
    words = ["migrate", "apply", "--config", f"file://{configuration}", "--env", "x", "--dir", f"file://{tmp_path}"]
    maria = tools.atlas(*words, url=mariadb.create("atlas", "atlas", "p@ss/word"))
    assert "migrating to version 1" in maria.stdout.lower()
    url = postgres.create("atlas", "atlas", "p@ss/word")
    holder = postgres.hold_atlas_lock("atlas")
    refused = tools.atlas(*words, "--lock-timeout", "1s", url=url, check=False)
    assert "acquiring database lock" in refused.stderr
    holder.close()
    assert tools.atlas(*words, url=url).returncode == 0


# Registry and images.


def exported(registry: Registry, reference: str, tmp_path: Path) -> dict[str, tarfile.TarInfo]:
    """What crane makes of an image, by name."""
    target = tmp_path / "image.tar"
    registry.crane("export", reference, str(target))
    with tarfile.open(target) as archive:
        return {member.name: member for member in archive}


def test_image_holds_just_its_files(registry: Registry, tmp_path: Path) -> None:
    pinned = registry.push("app/plain:v1", {"1.sql": "SELECT 1;"}, "/deep/migrations")
    assert pinned == registry.crane("digest", "--full-ref", registry.reference("app/plain:v1")).strip()
    found = exported(registry, pinned, tmp_path)
    assert set(found) == {"deep", "deep/migrations", "deep/migrations/1.sql"}


def test_upper_layers_replace_and_remove(registry: Registry, tmp_path: Path) -> None:
    lower = files("m", {"kept": "1", "replaced": "old", "removed": "x"})
    pinned = registry.push_layers("app/layers:v1", [lower, [Entry("m/replaced", b"newer"), whiteout("m/removed")]])
    found = exported(registry, pinned, tmp_path)
    assert set(found) == {"m", "m/kept", "m/replaced"}
    assert found["m/replaced"].size == 5


def test_hostile_entries_are_pushed_as_they_are(registry: Registry, tmp_path: Path) -> None:
    entries = [
        *files("m", {"1.sql": "x"}),
        symlink("m/link", "/etc/passwd"),
        hardlink("m/hard", "m/1.sql"),
        Entry("/absolute", b"x"),
        Entry("m/fifo", kind=tarfile.FIFOTYPE),
        Entry("m/device", kind=tarfile.CHRTYPE),
        Entry("m/huge", zeros=50 << 20),
    ]
    found = exported(registry, registry.push_layers("hostile/all:v1", [entries]), tmp_path)
    assert found["m/link"].linkname == "/etc/passwd"
    assert (found["m/hard"].type, found["m/fifo"].type, found["m/device"].type) == (
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
    )
    assert found["m/huge"].size == 50 << 20


def test_index_serves_this_platform(registry: Registry, tmp_path: Path) -> None:
    platforms = {name: [files("m", {f"{name[-5:]}.sql": "x"})] for name in ("linux/arm64", "linux/amd64")}
    pinned = registry.push_index("app/index:v1", platforms)
    assert "m/amd64.sql" in exported(registry, pinned, tmp_path)


def test_password_is_asked_for(private_registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    private_registry.push("app/private:v1", {"1.sql": "x"})
    assert private_registry.crane("ls", private_registry.reference("app/private")) == "v1\n"
    for config in (private_registry.docker_config("puller", "wrong"), "{}"):
        monkeypatch.setattr(private_registry, "docker_config", lambda config=config: config)
        with pytest.raises(RegistryError, match="UNAUTHORIZED: authentication required"):
            private_registry.crane("manifest", private_registry.reference("app/private:v1"))


# Metrics.


def raw(lab: Lab, path: str) -> list[dict[str, str]]:
    answer: list[dict[str, str]] = json.loads(lab.kubectl("get", "--raw", path))["items"]
    return answer


def test_external_metric_by_labels(lab: Lab, metrics: Metrics) -> None:
    metrics.set_external("default", "queue", "7", {"queue": "a"})
    metrics.set_external("default", "queue", "9500m", {"queue": "b"})
    base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue"
    assert [item["value"] for item in raw(lab, base)] == ["7", "9500m"]
    assert [item["value"] for item in raw(lab, f"{base}?labelSelector=queue%3Db")] == ["9500m"]
    assert raw(lab, f"{base}?labelSelector=queue%3Dc") == []


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_custom_metric_of_the_pods_that_a_selector_chooses(lab: Lab, metrics: Metrics, version: str) -> None:
    for name in ("one", "two"):
        metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
        spec = {"containers": [{"name": "main", "image": "x"}]}
        lab.setup_api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    metrics.set_pods("default", "rate", {"one": "500m", "two": "3", "gone": "8"})
    base = f"/apis/custom.metrics.k8s.io/{version}/namespaces/default"
    assert sorted(item["value"] for item in raw(lab, f"{base}/pods/*/rate")) == ["3", "500m"]
    assert [item["value"] for item in raw(lab, f"{base}/pods/*/rate?labelSelector=app%3Dtwo")] == ["3"]
    metrics.set_object("default", "services", "api", "latency", "20m")
    assert [item["value"] for item in raw(lab, f"{base}/services/api/latency")] == ["20m"]


def test_metric_that_nobody_set_is_not_found(lab: Lab, metrics: Metrics) -> None:
    for path in ("external.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"):
        rest = "namespaces/default/none" if path.startswith("external") else "namespaces/default/pods/*/none"
        assert lab.api.raw("GET", f"/apis/{path}/{rest}").status == 404


def test_metrics_are_behind_the_api_servers_rights(lab: Lab, metrics: Metrics) -> None:
    metrics.set_external("default", "seen", "1")
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/seen"
    rule = {"apiGroups": ["external.metrics.k8s.io"], "resources": ["seen"], "verbs": ["get", "list"]}
    allowed = lab.user_kubeconfig("metrics-reader", [rule], "default")
    assert "seen" in lab.kubectl("get", "--raw", path, kubeconfig=allowed)
    refused = lab.user_kubeconfig("metrics-none", [{**rule, "resources": ["other"]}], "default")
    assert lab.kubectl("get", "--raw", path, kubeconfig=refused, check=False) == ""


def test_failing_api_and_its_end(lab: Lab, metrics: Metrics) -> None:
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/broken"
    metrics.set_external("default", "broken", "1")
    metrics.fail("external", 503, "no data source")
    answer = lab.api.raw("GET", path)
    assert (answer.status, json.loads(answer.data)["message"]) == (503, "no data source")
    metrics.clear()
    assert lab.api.raw("GET", path).status == 404


def test_prometheus_answers_queries_and_requests_are_noted(metrics: Metrics) -> None:
    metrics.set_query("up == 1", [({"job": "api"}, "1")])
    base = f"{metrics.prometheus}/api/v1/query"
    by_get = urllib3.request("GET", base, fields={"query": "up == 1"}).json()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    by_post = urllib3.request("POST", base, body=urlencode({"query": "up == 1"}), headers=form).json()
    assert by_get["data"]["result"][0]["metric"] == by_post["data"]["result"][0]["metric"] == {"job": "api"}
    assert by_get["data"]["result"][0]["value"][1] == "1"
    assert urllib3.request("GET", base, fields={"query": "other"}).json()["data"]["result"] == []
    assert urllib3.request("GET", base).status == 400
    assert {"api": "prometheus", "path": "/api/v1/query", "query": {"query": "other"}} in metrics.requests()


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b=2", True),
        ("a=2", False),
        ("a!=2", True),
        ("c!=2", True),
        ("a in (1, 3),b", True),
        ("a in (2,3)", False),
        ("a notin (2,3)", True),
        ("!c", True),
        ("c", False),
    ],
)
def test_label_selectors(selector: str, fits: bool) -> None:
    assert matches(selector, {"a": "1", "b": "2"}) is fits


# AWS.


def test_moto_lends_credentials_to_botocore_of_its_environment(sts: Sts) -> None:
    role = "arn:aws:iam::123456789012:role/migrator"
    program = (
        "import botocore.session; s = botocore.session.get_session().create_client('sts', 'us-east-1')\n"
        f"print(s.assume_role(RoleArn={role!r}, RoleSessionName='test')['Credentials']['AccessKeyId'])"
    )
    command = [str(python()), "-c", program]
    shown = subprocess.run(command, env=sts.environment(), capture_output=True, text=True, check=False)
    assert shown.stdout.startswith("ASIA"), shown.stderr
    assert sts.roles() == [role]
    sts.reset()
    assert sts.roles() == []
