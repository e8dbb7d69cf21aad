"""Clients that do not behave: slow ones, tokens of noise, paths that would climb, numbers that are none."""

from __future__ import annotations

import base64
import json
import random
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from dkronpy.api.guard import secret_of
from dkronpy.api.services import Services
from tests.api.site import Api, Site, definition

SLOW = 150
GUESSES = 120
NOISE = random.Random(20261126)


def connected(api: Api) -> socket.socket:
    """A connection to the server."""
    parts = urlsplit(api.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=20)


def raw(api: Api, request: bytes) -> bytes:
    """The first line of the answer to bytes as they are."""
    with connected(api) as line:
        line.sendall(request)
        return line.recv(65536).partition(b"\r\n")[0]


def test_slow_clients_keep_nobody_waiting(api: Api) -> None:
    body = json.dumps(definition("slow-but-done")).encode().ljust(1000)
    half = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(api)) for _ in range(SLOW)]
        for number, line in enumerate(slow):  # some stop in the headers, some in the body
            line.sendall(half if number % 2 else half + b"\r\n" + body[:14])
        for _ in range(5):
            answer = api.get("/v1/members")
            assert answer.status_code == 200
        slow[0].sendall(body[14:])
        assert b" 201 " in slow[0].recv(65536).partition(b"\r\n")[0] + b" "
    assert api.get("/v1/jobs/slow-but-done").status_code == 200
    assert api.get("/v1/jobs/slow").status_code == 404


def test_a_reader_that_does_not_read_keeps_nobody_waiting(empty: Site) -> None:
    _, api = empty.serve()  # fresh, so that they all ask for what nobody has described yet
    with ExitStack() as stack:
        for _ in range(50):
            line = stack.enter_context(connected(api))
            line.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
        assert api.get("/v1/members").status_code == 200


def test_noise_is_no_token(empty: Site) -> None:
    _, api = empty.serve()
    secret = Services(empty.client).tokens.create("known", role="viewer")[1]
    assert Api(api.url, secret).get("/v1/jobs").status_code == 200
    seen = set()
    for _ in range(GUESSES):
        noise = bytes(NOISE.choice([*range(1, 10), *range(14, 256)]) for _ in range(NOISE.randrange(1, 300)))
        shape = NOISE.choice([b"Bearer %s", b"Basic %s", b"%s", b"Bearer  %s ", b"bearer\t%s"])
        line = raw(api, b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + shape % noise + b"\r\n\r\n")
        seen.add(line.split(b" ")[1])
    assert seen <= {b"400", b"401", b"429"}
    near = [secret[:-1], secret + "x", secret.upper(), secret[::-1], secret.replace("_", "-", 1), f" {secret[1:]}"]
    assert {Api(api.url, guess).get("/v1/jobs").status_code for guess in near} <= {401, 429}
    assert Api(api.url, secret).get("/v1/jobs").status_code == 200


@pytest.mark.parametrize("text", ["", "Basic", "Basic ====", "Basic \ud800", "Bearer", "Token x", "Basic " + "A" * 9])
def test_a_header_that_holds_no_secret_holds_none_or_what_it_says(text: str) -> None:
    assert secret_of(text) in {"", "====", "\ud800", "A" * 9}
    assert secret_of("Basic " + base64.b64encode(b"who:ever:it").decode()) == "ever:it"


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs/../pause", "/v1/jobs/%2e%2e/pause", "/v1/jobs/..%2fpause", "/v1/jobs/x%2f..%2f..%2fpause", "//v1/pause",
     "/v1/jobs/x/..%5c..%5cpause", "/v1/pause%00", "/v1/./jobs//x", "/v1/jobs/%2e/run/../../../pause"],
)  # fmt: skip
def test_no_path_climbs_to_another_route(api: Api, path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert raw(api, request.encode()).split(b" ")[1] in {b"400", b"404", b"405"}
    assert api.get("/v1/pause").json() == {"paused": False}


@pytest.mark.parametrize("name", ["../up", "a/b", "a%2fb", "..", ".", "a b", "a\x00b", "ä" * 200, "-" * 5000, "A"])
def test_names_that_are_paths_or_nonsense_are_refused_and_nothing_is_kept(api: Api, name: str) -> None:
    before = api.names()
    answer = api.post("/v1/jobs", json=definition(name))
    if answer.status_code == 201:
        assert api.call("DELETE", f"/v1/jobs/{answer.json()['id']}").status_code == 200
    assert answer.status_code in {201, 400}
    assert answer.status_code == 400 or name.strip("-") == "" or name.startswith("ä")
    assert api.names() == before
