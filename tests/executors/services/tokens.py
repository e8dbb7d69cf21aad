"""The server that gives tokens for a service account's key, as Google's does, and such a key."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "cron@acme-prod.iam.gserviceaccount.com"


class Handler(BaseHTTPRequestHandler):
    """Gives the token for an assertion of the account, or what the test wants instead."""

    server: TokenServer

    def log_message(self, *_: Any) -> None:
        """Nothing: tests look at ``server.asked``."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        payload = parse_qs(body)["assertion"][0].split(".")[1]
        self.server.asked.append(json.loads(base64.urlsafe_b64decode(payload + "==")))
        if self.server.silent:
            self.server.stopping.wait(60)
            return
        answer = self.server.refusal or {"access_token": self.server.token, "expires_in": 3600, "token_type": "Bearer"}
        data = json.dumps(answer).encode()
        self.send_response(400 if self.server.refusal else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class TokenServer(ThreadingHTTPServer):
    """Tokens over HTTP; what was asserted is in ``asked``."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked: list[dict[str, Any]] = []
        self.refusal: dict[str, str] = {}
        self.silent = False
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def key(self) -> str:
        """A service account's key whose tokens come from here, as JSON."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "acme-prod",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": EMAIL,
                "client_id": "1",
                "token_uri": f"http://127.0.0.1:{self.server_port}/token",
            }
        )

    def key_file(self, folder: Path) -> Path:
        """The same in a file."""
        path = folder / "key.json"
        path.write_text(self.key())
        return path

    def __enter__(self) -> TokenServer:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
