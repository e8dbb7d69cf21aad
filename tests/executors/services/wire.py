"""A client of NATS that speaks the protocol by hand, so that no library stands between a test and the bytes."""

from __future__ import annotations

import json
import socket
from typing import Any


class NatsWire:
    """Subscribes, reads, answers. A context manager."""

    def __init__(self, port: int, **sign_in: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._file = self._socket.makefile("rb")
        self._line()
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, **sign_in}
        self.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        assert self._line() == b"PONG"

    def __enter__(self) -> NatsWire:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def subscribe(self, subject: str) -> None:
        """Hear what is sent to *subject*; it is certain when this returns."""
        self.write(f"SUB {subject} 1\r\nPING\r\n".encode())
        assert self._line() == b"PONG"

    def message(self) -> tuple[dict[str, str], bytes, str]:
        """The next message: its headers, its bytes, and where an answer is expected."""
        while True:
            words = self._line().decode().split()
            if words[0] == "PING":
                self.write(b"PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                break
        total, head = int(words[-1]), int(words[-2]) if words[0] == "HMSG" else 0
        data = self._file.read(total + 2)[:-2]
        lines = [line.partition(":") for line in data[:head].decode().split("\r\n")[1:] if line]
        reply = words[3] if len(words) == (6 if head else 5) else ""
        return {name: value.strip() for name, _, value in lines}, data[head:], reply

    def answer(self, reply: str, data: bytes, headers: str = "") -> None:
        """Send *data* to where an answer is expected."""
        if headers:
            head = f"NATS/1.0\r\n{headers}\r\n\r\n".encode()
            self.write(f"HPUB {reply} {len(head)} {len(head) + len(data)}\r\n".encode() + head + data + b"\r\n")
        else:
            self.write(f"PUB {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def ask(self, subject: str, question: dict[str, Any]) -> dict[str, Any]:
        """Ask, and read the answer as JSON."""
        data = json.dumps(question).encode()
        self.write(f"SUB _INBOX.wire 9\r\nPUB {subject} _INBOX.wire {len(data)}\r\n".encode() + data + b"\r\n")
        _, found, _ = self.message()
        self.write(b"UNSUB 9\r\n")
        answer: dict[str, Any] = json.loads(found)
        return answer

    def _line(self) -> bytes:
        line = self._file.readline()
        assert line, "the server closed the connection"
        return line.strip()
