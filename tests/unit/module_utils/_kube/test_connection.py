# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options and kubeconfigs to a connection, by the real kubernetes package."""

from __future__ import annotations

import base64
import os
import ssl
import stat
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused
from ansible_collections.steady.rollout.plugins.module_utils._kube import connection as connection_module
from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import connection_of


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig, service account or variable of the machine that runs the tests."""
    for name in [
        name for name in os.environ if name.startswith(("K8S_AUTH_", "KUBE")) or name.lower().endswith("_proxy")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(connection_module, "SERVICE_ACCOUNT", tmp_path / "serviceaccount")


def document(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://api:1/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "starrocks"}},
            {"name": "two", "context": {"cluster": "c", "user": "u"}},
        ],
        "current-context": "one",
    }


def written(path: Path, content: Any) -> str:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_a_host_with_a_token_needs_no_kubernetes_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    connection = connection_of({"host": "http://api:8080/", "api_key": "t"})

    assert connection.host == "http://api:8080"
    assert connection.namespace == "default"
    assert connection.headers()["Authorization"] == "Bearer t"


def test_user_and_password_are_basic_authentication() -> None:
    connection = connection_of({"host": "http://api", "username": "bob", "password": "pä55"})

    assert connection.headers()["Authorization"] == "Basic Ym9iOnDDpDU1"


def test_whom_to_act_as_is_in_the_headers() -> None:
    headers = connection_of(
        {"host": "http://api", "impersonate_user": "bob", "impersonate_groups": ["a", "b"]}
    ).headers()

    assert headers["Impersonate-User"] == "bob"
    assert headers["Impersonate-Group"] == ["a", "b"]
    assert "Authorization" not in headers


@pytest.mark.parametrize("as_document", [True, False])
def test_a_kubeconfig_is_loaded(tmp_path: Path, as_document: bool) -> None:
    config = document({"token": "t"})
    connection = connection_of({"kubeconfig": config if as_document else written(tmp_path / "config", config)})

    assert connection.host == "http://api:1"
    assert connection.namespace == "starrocks"
    assert connection.headers()["Authorization"] == "Bearer t"


def test_the_context_decides() -> None:
    assert connection_of({"kubeconfig": document({}), "context": "two"}).namespace == "default"


def test_options_win_over_the_kubeconfig() -> None:
    options = {"kubeconfig": document({"token": "t"}), "host": "http://other", "api_key": "k"}
    connection = connection_of(options)

    assert connection.host == "http://other"
    assert connection.headers()["Authorization"] == "Bearer k"


def test_files_named_by_the_environment_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = document({"token": "t"})
    first = {**whole, "users": []}
    second = {"users": whole["users"]}
    paths = [written(tmp_path / "a", first), written(tmp_path / "b", second)]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(paths))

    assert connection_of({}).headers()["Authorization"] == "Bearer t"


def test_the_file_in_the_home_folder_is_the_last_resort(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    written(tmp_path / ".kube" / "config", document({"token": "home"}))

    assert connection_of({}).headers()["Authorization"] == "Bearer home"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "does not exist"),
        ({"kubeconfig": "/nonexistent/config"}, "does not exist"),
        ({"kubeconfig": document({}), "context": "nope"}, "nope"),
        ({"kubeconfig": {"clusters": []}}, "kube-config"),
        ({"host": "api:6443"}, "no.* URL"),
        ({"host": "https://api", "ca_cert": "/nonexistent/ca"}, "ca_cert"),
        ({"host": "https://api", "client_cert": "/nonexistent/crt"}, "client_cert"),
    ],
)
def test_what_cannot_be_used_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        connection_of(options)


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "text", ""])
def test_a_file_that_is_no_kubeconfig_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(f"token: s3cret\n{text}" if text else "", encoding="utf-8")

    with pytest.raises(Refused) as caught:
        connection_of({"kubeconfig": str(path)})
    assert "s3cret" not in str(caught.value.as_result())


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    """A user whose token comes from a credential plugin."""
    path = tmp_path / "plugin"
    path.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    api = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api, "command": str(path), "interactiveMode": "Never"}}


def test_a_credential_plugin_is_run(tmp_path: Path) -> None:
    script = (
        'print(\'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        '"status": {"token": "fr0m-plugin"}}\')'
    )
    connection = connection_of({"kubeconfig": document(plugin(tmp_path, script))})

    assert connection.headers()["Authorization"] == "Bearer fr0m-plugin"


def test_a_credential_plugin_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Denied, match="plugin gave neither"):
        connection_of({"kubeconfig": document(plugin(tmp_path, "raise SystemExit(1)"))})


def test_no_decoded_key_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    config = document({"client-certificate-data": "bm8=", "client-key-data": "bm8="}, server="https://api:1")
    for _again in range(2):
        with pytest.raises(Refused, match="client_cert"):
            connection_of({"kubeconfig": config})

    assert list(tmp_path.iterdir()) == []


def test_threads_that_connect_at_once_do_not_take_each_others_keys() -> None:
    from steadylab.certs import Authority

    pair = Authority.create().pair
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    options = {"kubeconfig": document(user, server="https://api:1")}
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            connections = list(threads.map(connection_of, [options] * 100))
    finally:
        sys.setswitchinterval(before)

    assert len({id(connection.tls) for connection in connections}) == 100


def test_a_pods_service_account_is_used_inside_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config

    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("p0d", encoding="utf-8")
    (folder / "namespace").write_text("starrocks\n", encoding="utf-8")
    (folder / "ca.crt").write_bytes(_certificate())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(folder / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    connection = connection_of({})

    assert connection.host == "https://10.96.0.1:443"
    assert connection.namespace == "starrocks"
    assert str(connection.headers()["Authorization"]).lower() == "bearer p0d"


def _certificate() -> bytes:
    from steadylab.certs import Authority

    return Authority.create().pair.certificate


@pytest.mark.parametrize(("validate", "mode"), [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_NONE)])
def test_certificates_are_verified_unless_told_not_to(validate: bool, mode: ssl.VerifyMode) -> None:
    connection = connection_of({"host": "https://api", "api_key": "t", "validate_certs": validate})

    assert connection.tls is not None
    assert connection.tls.verify_mode == mode
    assert connection.tls.check_hostname is validate


@pytest.mark.parametrize(
    ("no_proxy", "proxy"),
    [
        ("", "http://proxy:3128"),
        ("example.org", "http://proxy:3128"),
        ("api.example.com", None),
        (".example.com, x", None),
        ("ample.com", "http://proxy:3128"),
        ("*", None),
    ],
)
def test_no_proxy_names_hosts_and_domains(no_proxy: str, proxy: str | None) -> None:
    options = {"host": "http://api.example.com", "proxy": "http://proxy:3128", "no_proxy": no_proxy}

    assert connection_of(options).proxy == proxy


@pytest.mark.parametrize(("host", "proxy"), [("http://api", "http://ambient:1"), ("http://127.0.0.1:6443", None)])
def test_the_environments_proxy_is_not_for_loopback(
    monkeypatch: pytest.MonkeyPatch, host: str, proxy: str | None
) -> None:
    monkeypatch.setenv("http_proxy", "http://ambient:1")

    assert connection_of({"host": host}).proxy == proxy
    assert connection_of({"kubeconfig": document({}), "host": host}).proxy == proxy
    assert connection_of({"host": host, "proxy": "http://own:2"}).proxy == "http://own:2"


def test_another_kind_of_proxy_is_refused_without_showing_it() -> None:
    with pytest.raises(Refused, match="proxy") as caught:
        connection_of({"host": "http://api", "proxy": "socks5://bob:s3cret@proxy"})
    assert "s3cret" not in str(caught.value.as_result())


def test_a_connection_shows_no_credentials() -> None:
    assert "hunter2" not in repr(connection_of({"host": "http://api", "proxy": "http://bob:hunter2@proxy"}))
    assert "s3cret" not in repr(connection_of({"host": "http://api", "api_key": "s3cret"}))
