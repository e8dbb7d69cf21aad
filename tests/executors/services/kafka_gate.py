"""A gate before a Kafka broker that has neither: TLS (with client certificates, if asked) and SASL."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import struct
import threading
from contextlib import suppress

from tests.support import free_port

_HANDSHAKE, _AUTHENTICATE, _VERSIONS = 17, 36, 18
_OFFERED = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_UNSUPPORTED, _FAILED = 33, 58


class KafkaGate:
    """Passes frames on to a broker on loopback once the client has signed in as *user*. A context manager.

    The broker has to advertise ``port``, which is chosen here; it is told with ``serve``.
    """

    def __init__(self, *, user: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.signed_in: list[str] = []
        """The mechanism of each client that came in."""
        self._user, self._tls = user, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._upstream = 0

    @property
    def address(self) -> str:
        """``127.0.0.1:port``"""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> KafkaGate:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def serve(self, upstream: int) -> None:
        """Open the gate to the broker on the port *upstream*."""
        self._upstream = upstream
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port, ssl=self._tls)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, behind = await asyncio.open_connection("127.0.0.1", self._upstream)
        answers = asyncio.create_task(_copy(back, writer))
        try:
            await self._talk(reader, writer, behind)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            for end in (writer, behind):
                end.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: asyncio.StreamWriter
    ) -> None:
        visitor = _Visitor(self._user) if self._user else None
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            frame = await reader.readexactly(size)
            key, version, number, length = struct.unpack(">hhih", frame[:10])
            body = frame[10 + max(length, 0) :]
            if visitor is not None and key in (_HANDSHAKE, _AUTHENTICATE):
                answer = visitor.handshake(body) if key == _HANDSHAKE else visitor.authenticate(body, version)
                writer.write(_framed(struct.pack(">i", number) + answer))
                await writer.drain()
                if visitor.refused:
                    return
                if visitor.inside and visitor.mechanism:
                    self.signed_in.append(visitor.mechanism)
            elif visitor is not None and not visitor.inside and key != _VERSIONS:
                return
            else:
                behind.write(_framed(frame))
                await behind.drain()


class _Visitor:
    """One client on its way in."""

    def __init__(self, user: tuple[str, str]) -> None:
        self._user, self._password = user
        self.mechanism = ""
        self.inside = self.refused = False
        self._scram: _Scram | None = None

    def handshake(self, body: bytes) -> bytes:
        (size,) = struct.unpack(">h", body[:2])
        self.mechanism = body[2 : 2 + size].decode()
        code = 0 if self.mechanism in _OFFERED else _UNSUPPORTED
        return struct.pack(">hi", code, len(_OFFERED)) + b"".join(map(_text, _OFFERED))

    def authenticate(self, body: bytes, version: int) -> bytes:
        (size,) = struct.unpack(">i", body[:4])
        token, reply = body[4 : 4 + size], b""
        if self.mechanism == "PLAIN":
            _, user, password = token.decode().split("\0")
            self.inside = (user, password) == (self._user, self._password)
            self.refused = not self.inside
        elif self._scram is None:
            self._scram = _Scram("sha" + self.mechanism[-3:], self._user, self._password)
            reply = self._scram.first(token)
        else:
            reply = self._scram.final(token)
            self.inside = bool(reply)
            self.refused = not self.inside
        said = _text("Authentication failed: who is that?") if self.refused else struct.pack(">h", -1)
        answer = struct.pack(">h", _FAILED if self.refused else 0) + said + struct.pack(">i", len(reply)) + reply
        return answer + (struct.pack(">q", 0) if version >= 1 else b"")


class _Scram:
    """The server's half of RFC 5802."""

    def __init__(self, algorithm: str, user: str, password: str) -> None:
        self._algorithm, self._user = algorithm, user
        self._salt, self._rounds = os.urandom(16), 4096
        self._salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), self._salt, self._rounds)

    def first(self, message: bytes) -> bytes:
        self._bare = message.split(b",", 2)[2]
        fields = dict(part.split(b"=", 1) for part in self._bare.split(b","))
        self._named = fields[b"n"].decode()
        nonce = fields[b"r"] + base64.b64encode(os.urandom(12))
        self._said = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(self._salt), self._rounds)
        return self._said

    def final(self, message: bytes) -> bytes:
        """The server's signature; nothing if the proof is wrong."""
        without, proof = message.rsplit(b",p=", 1)
        exchanged = b",".join((self._bare, self._said, without))
        client_key = self._hmac(self._salted, b"Client Key")
        signature = self._hmac(hashlib.new(self._algorithm, client_key).digest(), exchanged)
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        if self._named != self._user or not hmac.compare_digest(expected, base64.b64decode(proof)):
            return b""
        return b"v=" + base64.b64encode(self._hmac(self._hmac(self._salted, b"Server Key"), exchanged))

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self._algorithm).digest()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _framed(frame: bytes) -> bytes:
    return struct.pack(">i", len(frame)) + frame


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
