"""Requests that nobody of good will sends: each route with names that are tricks, and bodies and headers of noise."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from dkronpy.api.app import LARGEST_BODY
from tests.api.site import Api, definition, site_on
from tests.api.test_access import TABLE
from tests.api.test_page_access import PLACES
from tests.api.test_page_access import TABLE as PAGES
from tests.api.test_rough_clients import connected, raw
from tests.support import StoreServer

STOPS = {"POST /v1/leave", "POST /v1/pause"}
ROUTES = sorted(route for route in TABLE if route not in STOPS and "/closed" not in route and "/follow" not in route)
NAMES = [
    "..", ".", "%2e%2e", "a%2fb", "a%5cb", "a;b=c", "%00", "a%00b", "%0d%0aSet-Cookie:%20x", "%ff%fe", "%c0%af", "%25",
    quote("ä\u202e\U0001f4a9"), quote("\ud83d", errors="surrogatepass"), "-", "~", "*", "[x]", "{x}", "@", "x@", "@.0",
    "x@2026-11-26T05:00:00.000Z.99999999999999999999", "9" * 5000, "a" * 5000, "%20", "+", "'--", "&x=y",
]  # fmt: skip
"""Each as it stands in the address."""
NINES = b"9" * 5000
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "null": (b"null", ""),
    "a list": (b"[]", ""),
    "a text": (b'"x"', ""),
    "a long number": (NINES, ""),
    "large numbers": (b'{"name": "x", "retries": %s, "slots": %s, "max_active": 1e999}' % (NINES, NINES), ""),
    "not a number": (b'{"name": "x", "retries": NaN, "slots": -Infinity}', ""),
    "deep": (b'{"name":' * 50_000 + b"1" + b"}" * 50_000, ""),
    "a deep list": (b'{"source": "x", "jobs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
    "half a character": (b'{"name": "\\ud800", "to": "\\udfff", "reason": "\\ud800", "source": "\\ud800"}', ""),
    "half a character of a rule": (json.dumps({"Rules": '{"path": {"/\ud800": {"capabilities": []}}}'}).encode(), ""),
    "NUL": (b'{"name": "a\\u0000b", "to": "\\u0000", "off": ["\\u0000"], "source": "\\u0000", "jobs": []}', ""),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), "application/json; charset=utf-16"),
    "another charset": (b'{"name": "\xe9"}', "application/json; charset=no-such-thing"),
    "a form": (b"a=b&c=d", "application/x-www-form-urlencoded"),
    "a form without an edge": (b"--x\r\n\r\n", "multipart/form-data"),
    "a form that breaks off": (b"--x\r\nContent-Disp", "multipart/form-data; boundary=x"),
    "a type that is none": (b"{}", ";;/;="),
    "far away": (b'{"start": "0001-01-01T00:00:00+23:59", "end": "9999-12-31T23:59:59.999-23:59", "job": "x"}', ""),
    "long": (b'{"why": "%s", "name": "x"}' % (b"w" * 1_000_000), ""),
}
HEADERS = {
    "If-Match": ["9" * 5000, '"', "W/", '"\u00e9"', "*, 3"],
    "If-None-Match": ["9" * 5000],
    "Idempotency-Key": ["k" * 5000, "\u00e9"],
    "Last-Event-ID": ["9" * 5000, "\u00b2"],
    "Accept": ["\u00e9", "," * 5000],
    "Cookie": ["=;=;", "x" * 5000],
    "Origin": ["\u00e9"],
    "Authorization": ["Bearer " + "9" * 5000, "Basic \u00e9"],
}
VALUES = [
    "9" * 5000, "%00", "%ff", "%C2%B2", "-1", "../../etc/passwd", "0001-01-01T00:00:00%2B23:59",
    "9999-12-31T23:59:59-23:59",
]  # fmt: skip
ASKED = (
    "as", "attempt", "before", "done", "execution", "from", "hour", "job", "like", "minute", "new", "next", "old",
    "outcome", "page", "q", "rows", "sort", "span", "state", "to", "trigger", "who",
)  # fmt: skip
"""What the pages may find in their addresses."""
STREAMS = {"GET /ui/events", "GET /ui/runs/{run}/follow/{index}/{attempt}"}
HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of these tests' own, since some of what is sent pauses everything, or makes a job."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("strange")) as site:
        _, api = site.serve()
        yield api
        assert "Traceback" not in "".join(log.read_text(errors="replace") for log in site.folder.glob("*.log"))


def address(route: str, name: str | None = None) -> tuple[str, str]:
    """Its method and path, with *name* in every place of the path, or names of what is not there."""
    method, path = route.split()
    for key, value in PLACES.items():
        path = path.replace("{" + key + "}", value if name is None else name)
    return method, path


def status(api: Api, method: str, path: str, *headers: str) -> int:
    """The status of the answer to a request that is sent as it is."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Length: 0", "Connection: close"]
    return int(raw(api, "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")).split(b" ")[1])


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
def test_a_name_in_a_path_is_a_name_or_is_refused(api: Api, route: str) -> None:
    found = {name[:50]: status(api, *address(route, name)) for name in NAMES}
    assert max(found.values()) < 500, found


@pytest.mark.parametrize("route", [route for route in ROUTES if route.split()[0] in {"POST", "PUT", "PATCH"}])
def test_a_body_is_understood_or_refused(api: Api, route: str) -> None:
    method, path = address(route)
    for what, (body, kind) in BODIES.items():
        answer = api.call(method, path, data=body, headers={"Content-Type": kind} if kind else {})
        assert answer.status_code < 500, (what, answer.text)


def test_what_is_packed_is_not_unpacked(api: Api) -> None:
    bomb = gzip.compress(b'{"name": "x"' + b" " * 50_000_000 + b"}")
    answer = api.post("/v1/jobs", data=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.text[:24]) == (400, "Unable to parse payload:")


@pytest.mark.parametrize("route", ROUTES)
def test_headers_are_understood_or_refused(api: Api, route: str) -> None:
    lines = [f"{name}: {value}" for name, values in HEADERS.items() for value in values]
    found = {line[:50]: status(api, *address(route), line) for line in lines}
    assert 500 not in found.values() or route == "GET /v1/leader", found


def test_questions_are_understood_or_refused(api: Api) -> None:
    document: dict[str, Any] = api.get("/api/v1/openapi.json").json()
    tried = 0
    for route in ROUTES:
        method, path = address(route)
        operation = document["paths"].get(route.split()[1], {}).get(method.lower(), {})
        for name in [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]:
            for value in VALUES:
                tried += 1
                assert status(api, method, f"{path}?{quote(name)}={value}") < 500, (route, name, value[:50])
    assert tried > 300


@pytest.mark.parametrize("route", [one for one in PAGES if one.startswith("GET") and one not in STREAMS])
def test_questions_to_pages_are_understood_or_refused(api: Api, route: str) -> None:
    method, path = address(route)
    found = {
        value[:50]: status(api, method, f"{path}?" + "&".join(f"{one}={value}" for one in ASKED)) for value in VALUES
    }
    assert max(found.values()) < 500, found


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /v1/jobs\r\n\r\n",
        b"GET /v1/jobs HTTP/0.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 50,
        b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\nHost: localhost\n\n",
        b"GET http://localhost/v1/jobs HTTP/1.1\r\n" + HOST + b"\r\n",
        b"TRACE /v1/jobs HTTP/1.1\r\n" + HOST + b"\r\n",
        b"get /v1/jobs HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v1/jobs HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /v1/jobs\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v1/jobs HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 9e9\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nX",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\nffffffffffffffffffffff\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_harms_nobody(api: Api, said: bytes) -> None:
    answer = b""
    with suppress(ConnectionError):
        answer = raw(api, said)
    assert answer == b"" or answer.split(b" ")[1] in {b"200", b"400", b"404", b"405", b"413", b"431", b"501"}
    assert api.get("/v1/members").status_code == 200


def test_a_body_without_an_end_is_refused_once_it_is_too_large(api: Api) -> None:
    with connected(api) as line:
        line.sendall(b"POST /v1/jobs HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n")
        for _ in range(LARGEST_BODY // 0x100000 + 1):
            line.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert api.get("/v1/members").status_code == 200


def test_who_writes_and_reads_byte_by_byte_is_served(api: Api) -> None:
    body = json.dumps(definition("drop-by-drop")).encode()
    head = b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connected(api) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            line.sendall(bytes([byte]))
        said = b"".join(iter(lambda: line.recv(1), b""))
    assert said.startswith(b"HTTP/1.1 201 ")
    assert api.call("DELETE", "/v1/jobs/drop-by-drop").status_code == 200
