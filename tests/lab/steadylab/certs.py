# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificates: one certificate authority for each lab, made anew at each start."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Longer than any lab lives; a lab is made in seconds, so there is nothing to renew.
LIFETIME: Final = datetime.timedelta(days=30)
# A clock set back by a little must not make a fresh certificate invalid.
BACKDATED: Final = datetime.timedelta(hours=1)
LOOPBACK_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `<name>.crt` and `<name>.key` (the key for the owner only); return both paths."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # kube-controller-manager and kube-apiserver read SEC1 and PKCS8 keys; openssl's traditional form is SEC1.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _subject(name: str, groups: Sequence[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - BACKDATED).not_valid_after(now + LIFETIME)


class Authority:
    """A certificate authority that signs for the lab's servers and users."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the lab's certificate authority has a key of another kind than the lab makes")
        self._key = key

    @classmethod
    def create(cls) -> Authority:
        """A new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject("steady-lab-ca")
        builder = _builder(subject, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
        # Python's strict verification (3.13 and later) asks for the key identifiers.
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        return cls(Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key)))

    @classmethod
    def read(cls, directory: Path) -> Authority:
        """The authority that `pair.write(directory, "ca")` wrote."""
        return cls(Pair((directory / "ca.crt").read_bytes(), (directory / "ca.key").read_bytes()))

    def issue(self, name: str, groups: Sequence[str] = (), *, server: bool = False, names: Sequence[str] = ()) -> Pair:
        """A certificate for a user of that name and groups.

        With `server` for a server on loopback as well, with `names` for a server of those names in DNS.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(name, groups), self._certificate.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        alternatives: list[x509.GeneralName] = [*map(x509.DNSName, names)]
        if server:
            alternatives += map(x509.DNSName, LOOPBACK_NAMES)
            alternatives += (x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1"))
        if alternatives:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))
