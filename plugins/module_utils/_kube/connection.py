# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From connection options to what is needed to open a connection to an API server.

The kubernetes package is imported only here, and only where its loaders are needed: for a kubeconfig (credential
plugins, OIDC, token files) and for a pod's service account. A host given together with its credentials needs neither
the package nor its 0.3 s of import.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._kube.options import effective

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LEAST_CLIENT = 33
_CONFIG_REMEDY = (
    "Give kubeconfig (a path or the document itself), or host with api_key, or run inside a pod with a service account."
)
# The loader keeps the files of decoded keys in one table for the whole process: a second thread would be handed a
# file that the first is about to remove.
_LOADER = threading.Lock()


Headers: TypeAlias = "dict[str, str | list[str]]"
"""A request's headers; a list stands for one line for each of its values."""


@dataclass(frozen=True)
class Connection:
    """Where the API server is and how to prove who we are.

    `headers` gives the headers of a request; it is asked for each one, because tokens are refreshed. `tls` is None
    for plain http. `namespace` is the context's, `default` without one.
    """

    host: str
    namespace: str = "default"
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    headers: Callable[[], Headers] = field(default=dict, repr=False)


@dataclass
class _Found:
    """What options and configuration said, before it becomes a Connection."""

    host: str
    namespace: str
    ca: str | None
    cert: str | None
    key: str | None
    verify: bool
    server_name: str | None
    proxy: str | None
    no_proxy: str | None
    authorization: Callable[[], str | None]


def connection_of(options: Mapping[str, Any]) -> Connection:
    """The connection that the options, K8S_AUTH_*, the kubeconfig or the pod's service account describe.

    Raises Refused for a configuration that cannot be used, naming the option, and Denied for a credential plugin
    that gave nothing.
    """
    given = effective(options)
    with _LOADER, _folder() as folder:
        found = _found(given, folder)
        return Connection(
            host=found.host.rstrip("/"),
            namespace=found.namespace,
            tls=_tls(found) if found.host.startswith("https:") else None,
            server_name=found.server_name,
            proxy=_proxy_of(found),
            headers=_headers(found.authorization, given),
        )


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """Where the loader may write decoded keys; gone at the end, because a killed or forked worker never clears up."""
    folder = tempfile.mkdtemp(prefix="steady-rollout-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _found(given: dict[str, Any], folder: str) -> _Found:
    if given["host"] and not given["kubeconfig"]:
        return _overridden(_Found(given["host"], "default", None, None, None, True, None, None, None, _nobody), given)
    return _overridden(_loaded(given, folder), given)


def _nobody() -> None:
    return None


def _overridden(found: _Found, given: dict[str, Any]) -> _Found:
    """The single options win over what the configuration says."""
    found.host = given["host"] or found.host
    found.ca = given["ca_cert"] or found.ca
    found.cert = given["client_cert"] or found.cert
    found.key = given["client_key"] or found.key
    found.server_name = given["tls_server_name"] or found.server_name
    found.proxy = given["proxy"] or found.proxy
    found.no_proxy = given["no_proxy"] or found.no_proxy
    if given["validate_certs"] is not None:
        found.verify = given["validate_certs"]
    fixed = _fixed_authorization(given)
    if fixed:
        found.authorization = lambda: fixed
    if not found.host.startswith(("http:", "https:")):
        raise Refused(
            "host", found.host, "is not the URL of an API server", remedy="Write https://name-or-address:port."
        )
    return found


def preload() -> None:
    """Import what a connection needs, once, in the process that forks the workers; a failure is told on first use."""
    with contextlib.suppress(ImportError):
        import urllib3  # noqa: F401
        from kubernetes.client import Configuration
        from kubernetes.config import kube_config  # noqa: F401

        # The client resolves its names lazily: making one value imports what every worker would import again.
        Configuration()


def _fixed_authorization(given: dict[str, Any]) -> str | None:
    if given["api_key"]:
        return f"Bearer {given['api_key']}"
    if given["username"] and given["password"]:
        pair = f"{given['username']}:{given['password']}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
    return None


def _loaded(given: dict[str, Any], folder: str) -> _Found:
    try:
        from kubernetes import __version__ as version
        from kubernetes import config
        from kubernetes.client import Configuration
        from kubernetes.config import kube_config
    except ImportError as error:
        raise RolloutError(
            f"The Python package kubernetes cannot be imported: {error}.",
            remedy=f"Install kubernetes >= {LEAST_CLIENT} for the Python that runs this task "
            "(ansible_python_interpreter), or give host and api_key.",
        ) from error
    _check_client(version)
    configuration = Configuration()
    try:
        loader = _kubeconfig_loader(given, folder, config, kube_config)
        (loader.load_and_set if loader else config.load_incluster_config)(configuration)
    except config.ConfigException as error:
        raise Refused("kubeconfig", _name_of(given["kubeconfig"]), str(error), remedy=_CONFIG_REMEDY) from error
    finally:
        _forget_files(kube_config, folder)
    context = loader.current_context["context"] if loader else {}
    if loader and _plugin_gave_nothing(loader, configuration):
        raise Denied(
            "The kubeconfig's credential plugin gave neither a token nor a certificate.",
            remedy="Run the plugin's command by hand, as the user and on the host that run this task.",
        )
    return _Found(
        host=configuration.host,
        namespace=context.get("namespace") or _service_account_namespace(bool(loader)),
        ca=configuration.ssl_ca_cert,
        cert=configuration.cert_file,
        key=configuration.key_file,
        verify=configuration.verify_ssl,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        no_proxy=configuration.no_proxy,
        authorization=lambda: _authorization(configuration),
    )


def _check_client(version: str) -> None:
    major = version.split(".", 1)[0]
    if major.isdigit() and int(major) < LEAST_CLIENT:
        raise RolloutError(
            f"The Python package kubernetes is {version}; at least {LEAST_CLIENT} is needed.",
            remedy=f"Install kubernetes >= {LEAST_CLIENT} for the Python that runs this task.",
        )


def _kubeconfig_loader(given: dict[str, Any], folder: str, config: Any, kube_config: Any) -> Any:
    """A loader for the kubeconfig, or None when there is none and the pod's service account is to be used."""
    source = given["kubeconfig"]
    if isinstance(source, Mapping):
        document = dict(source)
    else:
        paths = str(source or os.environ.get("KUBECONFIG") or "~/.kube/config")
        if not source and _inside_pod() and not any(_readable(path) for path in paths.split(os.pathsep)):
            return None
        document = _merged(paths, config, kube_config)
    return kube_config.KubeConfigLoader(
        config_dict=document, active_context=given["context"], config_base_path=None, temp_file_path=folder
    )


def _merged(paths: str, config: Any, kube_config: Any) -> Any:
    """The kubeconfig of one path, or of several joined as in $KUBECONFIG."""
    try:
        merged = kube_config.KubeConfigMerger(paths).config
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused("kubeconfig", paths, f"cannot be read: {error}", remedy=_CONFIG_REMEDY) from error
    except kube_config.yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
        raise Refused("kubeconfig", paths, f"is not YAML{where}", remedy=_CONFIG_REMEDY) from None
    if merged is None:
        raise Refused("kubeconfig", paths, "does not exist", remedy=_CONFIG_REMEDY)
    return merged


def _inside_pod() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").is_file()


def _readable(path: str) -> bool:
    return bool(path) and Path(path).expanduser().is_file()


def _name_of(source: Any) -> str | None:
    """What may be shown of the option: a path, never the document."""
    return source if isinstance(source, str) else None


def _service_account_namespace(from_kubeconfig: bool) -> str:
    if from_kubeconfig:
        return "default"
    path = SERVICE_ACCOUNT / "namespace"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "default"


def _forget_files(kube_config: Any, folder: str) -> None:
    """Make the loader forget the files that are about to be removed, or it would hand them out a second time."""
    known: dict[str, str] = getattr(kube_config, "_temp_files", {})
    for content in [content for content, path in known.items() if path.startswith(folder)]:
        del known[content]


def _authorization(configuration: Any) -> str | None:
    """The Authorization header's value, refreshed by the loader's hook when the token has a time to live."""
    with _LOADER:
        if configuration.refresh_api_key_hook is not None:
            configuration.refresh_api_key_hook(configuration)
        # The loader stores it as "authorization", from client 36 on as "BearerToken".
        return next(iter(configuration.api_key.values()), None)


def _plugin_gave_nothing(loader: Any, configuration: Any) -> bool:
    """Whether the user has a credential plugin whose failure the loader only logged."""
    user = getattr(loader, "_user", None)
    return user is not None and "exec" in user and not configuration.api_key and not configuration.cert_file


def _headers(authorization: Callable[[], str | None], given: dict[str, Any]) -> Callable[[], Headers]:
    fixed: Headers = {"User-Agent": "steady-rollout", "Accept": "application/json"}
    if given["impersonate_user"]:
        fixed["Impersonate-User"] = given["impersonate_user"]
    if given["impersonate_groups"]:
        fixed["Impersonate-Group"] = list(given["impersonate_groups"])

    def headers() -> Headers:
        value = authorization()
        return {**fixed, "Authorization": value} if value else dict(fixed)

    return headers


def _tls(found: _Found) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=found.ca)
    except OSError as error:
        raise Refused("ca_cert", found.ca, f"cannot be loaded: {error}", remedy="Give a PEM file.") from error
    # Python 3.13 began to demand extensions that the CA certificates of many clusters do not carry; kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not found.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if found.cert:
        try:
            context.load_cert_chain(found.cert, found.key)
        except OSError as error:
            raise Refused(
                "client_cert", found.cert, f"cannot be loaded with its key: {error}", remedy="Give matching PEM files."
            ) from error
    return context


def _proxy_of(found: _Found) -> str | None:
    """The proxy to use, from the options, the kubeconfig or the environment (which never means loopback addresses)."""
    parts = urlsplit(found.host)
    ambient = _variable(f"{parts.scheme}_proxy")
    proxy = found.proxy or ambient
    if not proxy or _bypasses(found.host, found.no_proxy or _variable("no_proxy")):
        return None
    if proxy == ambient and (parts.hostname in ("localhost", "::1") or str(parts.hostname).startswith("127.")):
        return None
    if not proxy.startswith(("http://", "https://")):
        raise Refused("proxy", None, "is no http:// or https:// URL", remedy="Give an HTTP proxy.")
    return proxy


def _variable(name: str) -> str | None:
    return os.environ.get(name) or os.environ.get(name.upper()) or None


def _bypasses(host: str, no_proxy: str | None) -> bool:
    """Whether `no_proxy` (names and domain suffixes, separated by commas; `*` for all) covers the host."""
    name = (urlsplit(host).hostname or "").lower()
    for entry in (part.strip().lower().lstrip(".") for part in (no_proxy or "").split(",")):
        if entry and (entry == "*" or name == entry or name.endswith(f".{entry}")):
            return True
    return False
