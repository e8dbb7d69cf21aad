"""TLS for gRPC channels, from the TLS options that all executors share."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import grpc

from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.tls import TlsOptions, client_context

_FETCH = 10.0


def tls_credentials(
    options: TlsOptions, address: str, limit: float | None
) -> tuple[grpc.ChannelCredentials, tuple[tuple[str, Any], ...]]:
    """Credentials for a channel to *address* (``host:port``), and the options that the channel needs besides.

    To verify nothing is not on offer in gRPC. So the certificate that the server shows is fetched first, within
    *limit* seconds, and is the one that the channel then trusts, whatever name it bears.

    Raises ExecutorError for files that cannot be used, and for a server whose certificate cannot be fetched.
    """
    context = client_context(options)  # names the file that cannot be used, which gRPC does not
    chain = Path(options.tls_cert).read_bytes() if options.tls_cert else None
    key = Path(options.tls_key).read_bytes() if options.tls_key else chain
    if not options.tls_no_verify:
        return grpc.ssl_channel_credentials(_roots(options), key, chain), ()
    der = _fetch(context, address, _FETCH if limit is None else min(_FETCH, limit))
    credentials = grpc.ssl_channel_credentials(ssl.DER_cert_to_PEM_cert(der).encode(), key, chain)
    return credentials, (("grpc.ssl_target_name_override", _name(der)),)


def _roots(options: TlsOptions) -> bytes | None:
    """The authorities to trust: those named, else the system's; None are those that come with gRPC."""
    path = options.tls_ca or ssl.get_default_verify_paths().cafile
    return Path(path).read_bytes() if path else None


def _fetch(context: ssl.SSLContext, address: str, limit: float) -> bytes:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, int(port)), timeout=limit) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            der = secure.getpeercert(binary_form=True)
    except TimeoutError:
        raise ExecutorError(f"{address} showed no certificate within {limit:.3g} s", reason="timeout") from None
    except OSError as error:
        raise ExecutorError(f"cannot fetch the certificate of {address}: {error.strerror or error}") from None
    if not der:
        raise ExecutorError(f"{address} showed no certificate")
    return der


def _name(der: bytes) -> str:
    """A name that the certificate bears."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    found = [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
        *(str(entry.value) for entry in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)),
    ]
    return found[0] if found else "localhost"
