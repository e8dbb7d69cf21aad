"""A private certificate authority in a folder: what `dkronpy certs` makes."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dkronpy.clock import Clock, SystemClock, from_ms
from dkronpy.errors import ConfigError

_SLACK = timedelta(minutes=5)
"""Certificates are good from a little before now, for machines whose clocks are behind."""
_NAME = re.compile(r"[A-Za-z0-9_*](?:[A-Za-z0-9_.*-]{0,250}[A-Za-z0-9_])?")


class Authority:
    """Holds the key of the authority; issues certificates into its folder."""

    def __init__(
        self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, clock: Clock | None = None
    ) -> None:
        self.folder = folder
        self._certificate = certificate
        self._key = key
        self._clock = clock or SystemClock()

    @property
    def certificate_file(self) -> Path:
        """What is given to everybody."""
        return self.folder / "ca.crt"

    @property
    def key_file(self) -> Path:
        """What is given to nobody."""
        return self.folder / "ca.key"

    @classmethod
    def create(cls, folder: Path, *, name: str, lifetime: timedelta, clock: Clock | None = None) -> Authority:
        """A new authority. Raises ConfigError where there is one already."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = from_ms((clock or SystemClock()).now_ms())
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(subject, subject, key.public_key(), now, lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identity, critical=False)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder, certificate, key, clock)
        if made.key_file.exists():
            raise ConfigError(f"{made.key_file} is there already", hint="name another folder with --dir")
        _make_folder(folder)
        _write(made.key_file, _pem(key), private=True)
        _write(made.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        return made

    @classmethod
    def load(cls, folder: Path, clock: Clock | None = None) -> Authority:
        """The authority of a folder. Raises ConfigError where there is none."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        except OSError as error:
            raise ConfigError(
                f"there is no authority in {folder}: {error.filename}: {error.strerror}",
                hint="`dkronpy certs ca` makes one",
            ) from None
        except ValueError as error:
            raise ConfigError(f"the authority in {folder} cannot be read: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{folder / 'ca.key'} is no key of `dkronpy certs ca`")
        return cls(folder, certificate, key, clock)

    def issue(self, name: str, *, names: Sequence[str] = (), lifetime: timedelta) -> tuple[Path, Path]:
        """The files of a certificate and of its key, for servers and clients called *name* and *names*.

        Raises ConfigError for what is no name.
        """
        for each in (name, *names):
            if not _NAME.fullmatch(each) and not _address(each):
                raise ConfigError(f"{each!r} is neither a name nor an address")
        if name in ("ca", "ca.crt", "ca.key"):
            raise ConfigError(f"{name!r} is the authority's own name")
        key = ec.generate_private_key(ec.SECP256R1())
        now = from_ms(self._clock.now_ms())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        signer = self._certificate.public_key()
        certificate = (
            _builder(subject, self._certificate.subject, key.public_key(), now, lifetime)
            .add_extension(
                x509.SubjectAlternativeName([_general(one) for one in dict.fromkeys((name, *names))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)  # type: ignore[arg-type]
            .sign(self._key, hashes.SHA256())
        )
        files = self.folder / f"{_file_name(name)}.crt", self.folder / f"{_file_name(name)}.key"
        _write(files[1], _pem(key), private=True)
        _write(files[0], certificate.public_bytes(serialization.Encoding.PEM))
        return files


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + lifetime)
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _general(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _file_name(name: str) -> str:
    return name.replace("*", "_").replace(":", "_")


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}") from None


def _write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file as a whole, a private one readable by nobody else from the first moment."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
