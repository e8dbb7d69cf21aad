"""Fixtures: one running deployment for everything that asks for no token, and empty sites for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.site import Api, Site, site_on
from tests.support import StoreServer


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api]]:
    """Beat, an agent and a server, open to this machine. Tests use job names of their own."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("site")) as site:
        site.beat()
        site.agent("n1", dc="fra")
        _, api = site.serve()
        site.leader_pid()
        yield site, api


@pytest.fixture
def site(running: tuple[Site, Api]) -> Site:
    """The running deployment."""
    return running[0]


@pytest.fixture
def api(running: tuple[Site, Api]) -> Api:
    """The server of the running deployment."""
    return running[1]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own with nothing started."""
    with StoreServer() as server, site_on(server, tmp_path) as site:
        yield site
