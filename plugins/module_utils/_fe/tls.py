# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""TLS to an FE: what is demanded of its certificate, and why a connection is not made.

StarRocks offers TLS from 3.4.1 on (docs/en/administration/user_privs/ssl_authentication.md): the client asks for it
after the FE's greeting, so an FE that is not what it seems can only be told by what it does not offer.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions

# X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL.
_WRONG_NAME = 62


def context(options: FeOptions) -> ssl.SSLContext:
    """What is verified, as the options say; Refused when the authority's file cannot be used."""
    if options.tls == "preferred" or not options.validate_certs:
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        return unverified
    try:
        verified = ssl.create_default_context(cafile=options.ca_cert)
    except OSError as error:
        problem = f"cannot be loaded: {error.strerror or error}"
        raise Refused("fe_ca_cert", options.ca_cert, problem, remedy="Give a PEM file.") from error
    # Python 3.13 began to demand extensions that private authorities often leave out.
    verified.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return verified


def server_name(options: FeOptions, host: str) -> str:
    """The name to be found in the certificate: the one that is given, else the pod's, whatever way leads to it.

    A port-forward ends at 127.0.0.1 and a static address is somewhere on the way; neither says which FE it is.
    """
    return options.tls_server_name or host


def not_offered(pod: str) -> Refused:
    """The FE offers no TLS, or somebody in between hides that it does."""
    return Refused("fe_tls", "required", f"FE {pod} offers no TLS", remedy="Configure TLS on the FE (3.4.1 and newer).")


def not_trusted(pod: str, name: str, options: FeOptions, error: ssl.SSLCertVerificationError) -> Refused:
    """Why the FE's certificate proves nothing. Nothing was sent to it but the request for TLS."""
    if error.verify_code == _WRONG_NAME:
        return Refused(
            "fe_tls_server_name",
            options.tls_server_name or None,
            f"the certificate of FE {pod} is not for {name}",
            remedy="Issue one with that name, or say which it has: fe_domain (cluster.local) where only the domain is"
            " missing, else fe_tls_server_name.",
        )
    return Refused(
        "fe_ca_cert",
        options.ca_cert,
        f"the certificate of FE {pod} is not to be trusted: {error.verify_message}",
        remedy="Give the PEM file of the authority that signed it, or renew the certificate.",
    )


class Plugins:
    """What PyMySQL asks for its handler of an authentication plugin: its own, or one that refuses.

    Whoever answers in the place of an FE could ask for the password in clear. Only mysql_native_password keeps it to
    itself on an open line: it sends a hash with the server's salt.
    """

    def __init__(self, pod: str, user: str, closed: Callable[[], bool]) -> None:
        """`closed` says whether what is sent now is encrypted, by TLS or by a tunnel."""
        self._pod = pod
        self._user = user
        self._closed = closed

    def get(self, name: bytes | str) -> Callable[[Any], Any] | None:
        """None for PyMySQL's own."""
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        if text in ("", "mysql_native_password") or self._closed():
            return None
        return lambda _connection: self._refuse(text)

    def _refuse(self, plugin: str) -> None:
        raise Denied(
            f"FE {self._pod} asks for the password of user {self._user} by {plugin}, over a connection without TLS.",
            remedy="Use fe_tls: required, fe_transport: port_forward, or a user IDENTIFIED BY a password.",
        )
