"""`dkronpy up` brings the API along, on the next free port where nobody chose one."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.api.site import Api, url_in
from tests.integration.up.started import up
from tests.support import wait_until


def test_up_serves_the_api_on_loopback_and_ends_it(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        api = Api(url_in(process))
        assert api.url.startswith("http://127.0.0.1:80")
        wait_until(lambda: api.get("/health").status_code == 200, timeout=30, description="a beat leads")
        assert api.names() == ["quick"]
        wait_until(lambda: api.ended("quick"), timeout=30, description="an execution is told")
        assert "NO TOKEN WAS MADE YET" in process.output
    assert "server (pid" not in process.output, process.output


def test_two_deployments_take_two_ports(tmp_path: Path) -> None:
    with up(tmp_path) as first:
        one = url_in(first)
        (tmp_path / "b").mkdir()
        with up(tmp_path / "b") as second:
            assert url_in(second) != one


def test_a_port_that_was_chosen_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with up(tmp_path, env={"DKRONPY_HTTP_PORT": port}) as process:
            process.wait_for(f"cannot listen on 127.0.0.1:{port}: Address already in use")
            process.wait_for("server (pid")
