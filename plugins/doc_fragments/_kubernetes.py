# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The connection to an API server: the documentation of _kube.options.ARGUMENTS."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, several joined by C(:), or the document itself as a dictionary.
      - Without it E(K8S_AUTH_KUBECONFIG), E(KUBECONFIG) and C(~/.kube/config) are looked at, then the service account
        of the pod that runs the task. Not looked at when O(host) is given.
    type: raw
  context:
    description: Name of the context in the kubeconfig. E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description: URL of the API server. E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Bearer token. E(K8S_AUTH_API_KEY).
    type: str
  username:
    description: User name for basic authentication, as a proxy in front of the API server may want it.
      E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password that belongs to O(username). E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description: Whether the API server's certificate is verified. It is, unless the kubeconfig says otherwise.
      E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: PEM file of the certificate authority. E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: PEM file of the client certificate. E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: PEM file of the client certificate's key. E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  tls_server_name:
    description: Name that the API server's certificate is verified against, where it is not the host's.
      E(K8S_AUTH_TLS_SERVER_NAME).
    type: str
  proxy:
    description: URL of an HTTP proxy. E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description: Hosts and domains, separated by commas, that are reached without the proxy. E(K8S_AUTH_NO_PROXY).
    type: str
  impersonate_user:
    description: User to act as. E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description: Groups to act as a member of. E(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas.
    type: list
    elements: str
requirements:
  - kubernetes >= 33 (Python package)
notes:
  - The names of the connection options and of their variables are those of the collection kubernetes.core.
"""
