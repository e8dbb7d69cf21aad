"""Requests do not get to the node itself or to what only it can reach: no metadata service, no admin port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.plugins.reach import Reach, UnreachableError
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import HttpServer

GUARDED = [
    "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254",
    "fe80::1", "fe80::1%eth0", "0.0.0.0", "0.1.2.3", "::", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::ffff:0:0",
]  # fmt: skip
FREE = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "1.1.1.1", "2606:4700::1111", "fd00::1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", GUARDED)
def test_a_guarded_address(address: str) -> None:
    with pytest.raises(UnreachableError, match="where jobs may not go from this node"):
        Reach().check(address)
    Reach.everywhere().check(address)


@pytest.mark.parametrize("address", FREE)
def test_any_other_address_needs_no_permission(address: str) -> None:
    Reach().check(address)


def test_what_is_allowed_is_allowed_and_nothing_beside_it() -> None:
    reach = Reach(("127.0.0.0/30", "::1"))
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        reach.check(address)
    for address in ("127.0.0.4", "169.254.169.254"):
        with pytest.raises(UnreachableError):
            reach.check(address)


@pytest.fixture
def executor() -> Iterator[HttpExecutor]:
    running = HttpExecutor()
    yield running
    running.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def visit(executor: HttpExecutor, url: str, *allowed: str, **options: Any) -> Outcome:
    with ExecutorHarness(reach=Reach(allowed)) as harness:
        return harness.run(executor, Http(url, **options))[0]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1", "127.1"]
)
def test_the_node_itself_is_not_visited_by_any_of_its_names(
    executor: HttpExecutor, server: HttpServer, host: str
) -> None:
    outcome = visit(executor, f"http://{host}:{server.server_port}/echo")
    assert not outcome.success
    assert "where jobs may not go from this node" in outcome.message
    assert not outcome.retryable
    assert server.connections == 0


def test_it_is_visited_where_the_node_allows_it(executor: HttpExecutor, server: HttpServer) -> None:
    assert "DKRONPY_HTTP_ALLOW=127.0.0.1" in visit(executor, f"{server.url}/echo", "10.0.0.0/8").message
    assert visit(executor, f"{server.url}/echo", "127.0.0.0/8").success


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere_else(executor: HttpExecutor, server: HttpServer, status: int) -> None:
    target = f"http://127.0.0.2:{server.server_port}/echo"
    with HttpServer() as tempting:
        outcome = visit(executor, f"{tempting.url}/move/{status}?{target}", "127.0.0.1")
    assert "127.0.0.2 is a loopback address" in outcome.message
    assert server.connections == 0


def test_a_proxy_does_not_open_the_way(executor: HttpExecutor, server: HttpServer) -> None:
    outcome = visit(executor, "http://169.254.169.254/latest/meta-data/", "127.0.0.1", proxy=server.url)
    assert "169.254.169.254 is a link-local address" in outcome.message
    outcome = visit(executor, "http://example.org/", proxy=server.url)
    assert "127.0.0.1 is a loopback address" in outcome.message
    assert server.connections == 0


def test_a_name_that_changes_its_address_is_looked_up_once(
    executor: HttpExecutor, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was allowed is what is connected to: a second answer of the name server, 127.0.0.2, is never asked for."""
    answers = iter(["127.0.0.1", "127.0.0.2"])
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return real(next(answers) if host == "rebind.example" else host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert visit(executor, f"http://rebind.example:{server.server_port}/echo", "127.0.0.1").success
    assert server.requests[-1]["headers"]["Host"].startswith("rebind.example")
    assert next(answers) == "127.0.0.2"


def test_one_guarded_address_among_several_is_enough(
    executor: HttpExecutor, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def both(host: str, port: int, *rest: Any, **more: Any) -> Any:
        names = ["127.0.0.1", "169.254.169.254"] if host == "two.example" else [host]
        return [entry for name in names for entry in real(name, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    outcome = visit(executor, f"http://two.example:{server.server_port}/echo", "127.0.0.1")
    assert "169.254.169.254 is a link-local address" in outcome.message
    assert server.connections == 0
