"""TLS options that every plugin with a connection takes, and the context that they stand for."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.options import Options, doc

log = logging.getLogger(__name__)

Fingerprint = tuple[object, ...]

TlsCa = Annotated[str, doc("PEM file on the node with the authorities to trust, instead of the system's.")]
TlsCert = Annotated[str, doc("PEM file on the node with the client's certificate.")]
TlsKey = Annotated[str, doc("PEM file with its key, if that is not in the same file.")]
TlsNoVerify = Annotated[bool, doc("Take any certificate of the server: no protection at all.")]


class TlsSettings(Protocol):
    """What a context is made of: ``TlsOptions``, and options of processors with the same four fields."""

    @property
    def tls_ca(self) -> str: ...
    @property
    def tls_cert(self) -> str: ...
    @property
    def tls_key(self) -> str: ...
    @property
    def tls_no_verify(self) -> bool: ...


class TlsOptions(Options, frozen=True, kw_only=True):
    """Whom to trust, and who we are. The files are read on the node, anew when they change."""

    plugin: ClassVar[str] = ""

    tls_ca: Annotated[TlsCa, doc("", dkron="tlsRootCAsFile")] = ""
    tls_cert: Annotated[TlsCert, doc("", dkron="tlsCertificateFile")] = ""
    tls_key: Annotated[TlsKey, doc("", dkron="tlsCertificateKeyFile")] = ""
    tls_no_verify: Annotated[TlsNoVerify, doc("", dkron="tlsNoVerifyPeer")] = False

    def check(self) -> Iterator[Problem]:
        """A key is nothing without its certificate."""
        yield from super().check()
        if message := key_problem(self):
            yield self.problem("tls_key", message)


def key_problem(options: TlsSettings) -> str:
    """What is wrong with ``tls_key``, or nothing: a key is nothing without its certificate."""
    return "it needs tls_cert, the certificate that it belongs to" if options.tls_key and not options.tls_cert else ""


def fingerprint(options: TlsSettings) -> Fingerprint:
    """What a context was made of: the options and the state of their files; equal as long as none changes.

    Raises ExecutorError for a file that is not there.
    """
    states: list[object] = [options.tls_no_verify]
    for name in ("tls_ca", "tls_cert", "tls_key"):
        if path := getattr(options, name):
            try:
                state = os.stat(path)  # noqa: PTH116 - a plain stat, at each attempt
            except OSError as error:
                raise ExecutorError(f"{name}: cannot read {path}: {error.strerror}") from None
            states.append((name, path, state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(states)


def client_context(options: TlsSettings) -> ssl.SSLContext:
    """The TLS context of a client with these options.

    Raises ExecutorError, in one line, for files that cannot be read or hold something else.
    """
    with _naming("tls_ca", options.tls_ca):
        context = ssl.create_default_context(cafile=options.tls_ca or None)
    if options.tls_ca:
        # From 3.13 on Python refuses authorities whose certificate is not as RFC 5280 wants it in form,
        # which many private ones are not; whom to trust must not hang on the version of Python.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    elif not _has_system_roots():
        import certifi

        context.load_verify_locations(certifi.where())
    if options.tls_cert:
        with _naming("tls_cert", f"{options.tls_cert} {options.tls_key}".strip()):
            # Without a password OpenSSL would ask for that of an encrypted key on the agent's terminal.
            context.load_cert_chain(options.tls_cert, options.tls_key or None, password="")
    if options.tls_no_verify:
        log.warning("a job asks for connections whose certificates are not verified (tls_no_verify)")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _has_system_roots() -> bool:
    """Whether the machine has certificates of its own; slim container images have none."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


@contextmanager
def _naming(name: str, files: str) -> Iterator[None]:
    """Turn what OpenSSL and the file system say into one line that names option and file."""
    try:
        yield
    except ssl.SSLError as error:
        what = error.reason or "no certificate or key that can be used"
        raise ExecutorError(f"{name}: cannot use {files}: {what.replace('_', ' ').lower()}") from None
    except OSError as error:
        raise ExecutorError(f"{name}: cannot read {files}: {error.strerror}") from None
