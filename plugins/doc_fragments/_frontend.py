# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The connection to the frontends of StarRocks: the documentation of _fe.options.ARGUMENTS."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  fe_transport:
    description:
      - How the frontends (FE) are reached.
      - V(direct) uses the names that the pods have in the cluster's DNS, so it works inside the cluster.
      - V(port_forward) goes through the API server, as from a laptop or AWX; it needs the right to C(create) and
        C(get) C(pods/portforward).
      - V(static) uses O(fe_addresses) only.
      - V(auto) uses O(fe_addresses) for the pods in it, else V(direct) inside the cluster and V(port_forward) outside.
    type: str
    choices: [auto, direct, port_forward, static]
    default: auto
  fe_user:
    description: StarRocks user. It needs the privilege OPERATE on SYSTEM.
    type: str
    default: root
  fe_password:
    description: Password of O(fe_user). Better left in a Secret.
    type: str
  fe_password_secret:
    description:
      - Secret, in the namespace of the cluster, that holds the password of O(fe_user). It is read again when an FE
        does not accept the password, so it may change in the middle of a run.
      - Without it and without O(fe_password), the password of C(root) is taken from where the StarRocksCluster takes
        its C(MYSQL_PWD).
    type: dict
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      key:
        description: Key in the Secret.
        type: str
        default: password
  fe_port:
    description: Port of the MySQL protocol (C(query_port) in fe.conf).
    type: int
    default: 9030
  fe_addresses:
    description: For each FE pod by name its C(host:port), for networks in which it is neither of the other transports.
    type: dict
    default: {}
  fe_domain:
    description: Domain of the cluster, such as V(cluster.local), where the resolver does not add it.
    type: str
    default: ""
  fe_tls:
    description:
      - Whether the connection to an FE is encrypted with TLS, which StarRocks offers from 3.4.1 on.
      - V(required) sends nothing, not even the user's name, before the FE has proved with its certificate who it is.
      - V(preferred) encrypts when the FE offers it, and does not verify its certificate.
      - Without TLS a password is only ever sent as a hash with a salt (C(mysql_native_password)). A user who logs in
        with a password in clear (LDAP) needs TLS, or O(fe_transport=port_forward), which is encrypted itself.
    type: str
    choices: [preferred, required, "off"]
    default: preferred
  fe_ca_cert:
    description: PEM file of the authority that signed the certificates of the FEs. Without it the authorities that the
      system trusts.
    type: path
  fe_tls_server_name:
    description:
      - The name that an FE's certificate must have, with every transport.
      - Without it this is the pod's own name in the cluster's DNS, C(POD.CLUSTER-fe-search.NAMESPACE.svc), and
        O(fe_domain) after it.
    type: str
    default: ""
  fe_validate_certs:
    description: Whether certificates are verified with O(fe_tls=required). Without it anybody in between can pretend to
      be the FE.
    type: bool
    default: true
  fe_connect_timeout:
    description: Seconds that connecting and logging in to an FE may take.
    type: float
    default: 5.0
  fe_read_timeout:
    description: Seconds that the answer to a statement may take.
    type: float
    default: 15.0
requirements:
  - PyMySQL >= 1.1 (Python package)
"""
