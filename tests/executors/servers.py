"""A real HTTP server for the tests of executors, with the manners that real servers have and worse."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dkronpy.clock import SystemClock, from_ms


class Handler(BaseHTTPRequestHandler):
    """``/status/N /echo /hang /drip /drip-head /short /reset /big/MB /redirect/N /to?url /gzip ...``"""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.server.open += 1
            self.server.sockets.add(self.connection)

    def finish(self) -> None:
        super().finish()
        with self.server.lock:
            self.server.open -= 1
            self.server.sockets.discard(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: tests look at ``server.requests``."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        """Do what the first part of the path says."""
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        with self.server.lock:
            self.server.requests.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": dict(self.headers.items()),
                    "body": self.body,
                }
            )
        word, _, self.rest = urlsplit(self.path).path.strip("/").partition("/")
        with self.server.noticed:
            self.server.noticed.notify_all()
        route: Callable[[], None] = getattr(self, "on_" + word.replace("-", "_"))
        route()

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Bytes as they are, at once."""
        self.wfile.write(data)
        self.wfile.flush()

    def on_status(self) -> None:
        self.send(int(self.rest), f"status {self.rest}\n".encode())

    def on_echo(self) -> None:
        seen = self.server.requests[-1] | {"body": self.body.decode("utf-8", "replace")}
        self.send(200, json.dumps(seen).encode(), Content_Type="application/json")

    def on_hang(self) -> None:
        self.server.stopping.wait(60)
        self.close_connection = True

    def on_drip(self) -> None:
        """A byte now and then: every single read is quick, the whole never ends."""
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.server.stopping.wait(0.05):
            self.raw(b"x")

    def on_drip_head(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.stopping.wait(0.05):
            self.raw(b"x")

    def on_pieces(self) -> None:
        """Two pieces; the second comes when the test has seen the first."""
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        self.server.proceed.wait(30)
        self.raw(b"7\r\nsecond\n\r\n0\r\n\r\n")

    def on_short(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial")
        self.close_connection = True

    def on_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def on_deaf(self) -> None:
        """Takes the first request of a connection, and hangs up on each that follows on it."""
        if getattr(self, "greeted", False):
            self.close_connection = True
        else:
            self.greeted = True
            self.send(200, b"hello\n")

    def on_big(self) -> None:
        size = int(self.rest) << 20
        self.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size >> 20):
            self.wfile.write(b"\xff" * (1 << 20))

    def on_redirect(self) -> None:
        left = int(self.rest)
        self.send(302, b"over there", Location=f"/redirect/{left - 1}" if left > 1 else "/echo")

    def on_move(self) -> None:
        """``/move/STATUS?URL``"""
        self.send(int(self.rest), Location=urlsplit(self.path).query)

    def on_gzip(self) -> None:
        self.send(200, gzip.compress(b"zipped\n" * 100_000), Content_Encoding="gzip")

    def on_badgzip(self) -> None:
        self.send(200, b"not gzip at all", Content_Encoding="gzip")

    def on_cookie(self) -> None:
        self.send(302, Set_Cookie="session=1; Path=/", Location="/echo")

    def on_basic(self) -> None:
        right = "Basic " + base64.b64encode("us:pä:ss".encode()).decode()
        self.send(200 if self.headers.get("Authorization") == right else 401, b"")

    def on_latin(self) -> None:
        self.send(200, b"caf\xe9 \x00\xff\n")

    def on_peer(self) -> None:
        peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        self.send(200, json.dumps(peer and peer["subject"]).encode())


class HttpServer(ThreadingHTTPServer):
    """On loopback, by default a port of the system's choice; ``requests`` is what it was asked. A context manager."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.lock = threading.Lock()
        self.noticed = threading.Condition()
        self.requests: list[dict[str, Any]] = []
        self.connections = self.open = 0
        self.sockets: set[socket.socket] = set()
        self.stopping = threading.Event()
        self.proceed = threading.Event()
        self._tls = tls
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that hangs up, or refuses our certificate, is what tests are about."""

    def wait_for_request(self) -> None:
        """Return once something was asked."""
        with self.noticed:
            assert self.noticed.wait_for(lambda: self.requests, 10), "nobody asked anything"

    def die(self) -> None:
        """Take no connections any more and break off those that there are, as the end of its process would."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for sock in self.sockets:
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> HttpServer:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Authority:
    """A certificate authority in a folder: ``ca.pem``, and certificates with keys in one file each."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = folder / f"{name.replace(' ', '-')}.pem"
        own = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.ca.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, password: bytes | None = None) -> Path:
        """A PEM file with a certificate for *name* (and 127.0.0.1) and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = self._sign(subject, key, names)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
            )
        )
        return path

    def server_context(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """For a server at 127.0.0.1; with *ask_client* only those with a certificate of ours come in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue("localhost"))
        if ask_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = from_ms(SystemClock().now_ms())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())
