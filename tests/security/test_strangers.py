"""Before there is a token: the server's own user gets in, other users of the machine do not."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dkronpy.api.peer import Ends, inode_of, is_ours, owner
from dkronpy.api.services import Services
from tests.api.site import Api, Site, definition, site_on
from tests.support import StoreServer, free_port, spawn, wait_until

ROUTES = [
    ("GET", "/v1/jobs", 401), ("GET", "/ui/jobs", 303), ("POST", "/v1/jobs", 401), ("POST", "/api/v1/tokens", 401),
    ("GET", "/dkron.js", 200), ("GET", "/health", 503),
]  # fmt: skip


@contextmanager
def another_user() -> Iterator[int]:
    """What is opened in here belongs to that user."""
    assert os.getuid() == 0, "this test must run as root, as it does in CI"
    nobody = pwd.getpwnam("nobody").pw_uid
    os.seteuid(nobody)
    try:
        yield nobody
    finally:
        os.seteuid(0)


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.connect()
    return connection


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with StoreServer() as server, site_on(server, tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def api_of_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("site")) as site:
        yield site.serve()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_another_user_of_the_machine_is_asked_for_a_token_before_there_is_one(site: Site, address: str) -> None:
    _, api = site.serve("--address", address)
    body = json.dumps(definition("theirs"))
    for method, path, status in ROUTES:
        with another_user(), closing(connect(api.url)) as connection:
            connection.request(method, path, body if method == "POST" else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == status, (path, text)
        if status == 401:
            assert "only root, who runs this server, needs no token" in text
        if path == "/dkron.js":
            assert "DKRON_TOTAL_JOBS = 0" in text
            assert "DKRON_ACL_ENABLED = true" in text
    assert api.names() == []
    api.create("ours")
    assert api.names() == ["ours"]


def test_who_hangs_up_before_the_look_does_not_pass_for_root(site: Site) -> None:
    _, api = site.serve()
    body = json.dumps(definition("theirs")).encode()
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    for _ in range(20):
        with another_user(), closing(connect(api.url)) as connection:
            connection.sock.sendall(head % len(body) + body)
    audit = Services(site.client).audit
    wait_until(lambda: len(audit.entries(outcome="denied")) == 20, description="all of them were denied")
    assert api.names() == []


def test_flower_asks_another_user_too(site: Site, tmp_path: Path) -> None:
    with spawn("flower", "--port", str(free_port()), log=tmp_path / "flower.log", env=site.environment) as process:
        url = process.wait_for("Flower is at http").partition("Flower is at ")[2].split()[0].rstrip("/")
        assert Api(url).get("/workers").status_code == 200
        with another_user(), closing(connect(url)) as connection:
            connection.request("GET", urlsplit(url).path + "/workers")
            assert connection.getresponse().status == 401


@pytest.mark.parametrize(
    ("family", "address", "peer"),
    [
        (socket.AF_INET, "127.0.0.1", socket.AF_INET),
        (socket.AF_INET, "127.0.0.1", socket.AF_INET6),
        (socket.AF_INET6, "::1", socket.AF_INET6),
    ],
)
def test_whose_socket_it_is(family: socket.AddressFamily, address: str, peer: socket.AddressFamily) -> None:
    with socket.socket(family) as listening:
        listening.bind((address, 0))
        listening.listen()
        with another_user() as nobody, socket.socket(peer) as asking:
            mapped = f"::ffff:{address}" if peer != family else address
            asking.connect((mapped, listening.getsockname()[1]))
            answering, client = listening.accept()
            with answering:
                ends = Ends(client[:2], answering.getsockname()[:2])
                assert owner(ends) == nobody
                assert owner(Ends(ends.here, ends.peer)) == nobody, "the socket that answers was made by them as well"
                asking.close()
                assert owner(ends) is None
    assert owner(Ends(("testclient", 50_000), ("", 0))) is None


def test_who_comes_by_the_port_of_one_that_has_hung_up_does_not_vouch_for_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with another_user(), socket.socket() as theirs:
            theirs.connect(listening.getsockname())
            answering, client = listening.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: no TIME_WAIT
        ends = Ends(client, answering.getsockname(), inode_of(answering))
        with answering, socket.socket() as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(client)
            ours.connect(listening.getsockname())
            second, again = listening.accept()
            with second:
                assert again == client
                assert not is_ours(ends)
                assert is_ours(Ends(again, second.getsockname(), inode_of(second)))
                assert not is_ours(Ends(again, second.getsockname())), "nobody can tell which socket is meant"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_a_proxy_of_the_server_s_own_user_vouches_for_nobody(api_of_root: Api, header: str) -> None:
    assert api_of_root.get("/v1/jobs").status_code == 200
    assert api_of_root.get("/v1/jobs", headers={header: "192.0.2.7"}).status_code == 401
