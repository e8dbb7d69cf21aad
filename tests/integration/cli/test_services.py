"""`dkronpy beat`, `agent` and `flower` as processes: how they start, wait, refuse and stop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import MakeStoreServer
from tests.integration.cli.conftest import CommandLine
from tests.support import ROOT, free_port, wait_until


def test_beat_leads_and_gives_the_lead_up_when_it_is_stopped(dkronpy: CommandLine) -> None:
    with dkronpy.service("beat") as beat:
        leader = wait_until(lambda: dkronpy.client.status().leader, description="it leads")
        assert leader.holder.endswith(f":{beat.pid}")
        beat.signal(signal.SIGTERM)
        assert beat.wait() == 0
    assert dkronpy.client.status().leader is None
    assert "info [beat] SIGTERM: stopping" in beat.output
    assert "Traceback" not in beat.output


def test_beat_stops_on_an_interrupt_too(dkronpy: CommandLine) -> None:
    with dkronpy.service("beat", "--log-format", "json") as beat:
        wait_until(lambda: dkronpy.client.status().leader, description="it leads")
        beat.signal(signal.SIGINT)
        assert beat.wait() == 0
    records = [json.loads(line) for line in beat.output.splitlines() if line.strip()]
    assert {record["role"] for record in records} == {"beat"}


def test_beat_waits_for_a_store_that_is_away(dkronpy: CommandLine, make_store_server: MakeStoreServer) -> None:
    server = make_store_server(kind="valkey")
    server.kill()
    with dkronpy.service("beat", "--url", server.url) as beat:
        beat.wait_for("; waiting for it")
        assert beat.process.poll() is None
        server.start()
        beat.wait_for("leading, epoch 1")
    assert "Traceback" not in beat.output
    assert beat.output.count("waiting for it") == 1


def test_beat_that_waits_for_a_store_can_be_stopped(dkronpy: CommandLine) -> None:
    with dkronpy.service("beat", "--url", f"redis://127.0.0.1:{free_port()}/0") as beat:
        beat.wait_for("; waiting for it")
        beat.signal(signal.SIGTERM)
        assert beat.wait(10) == 0


def test_beat_refuses_a_store_that_forgets_and_says_the_remedy(
    dkronpy: CommandLine, make_store_server: MakeStoreServer
) -> None:
    server = make_store_server(kind="valkey", appendonly="no", maxmemory_policy="allkeys-lru")
    with dkronpy.process("beat", "--url", server.url) as process:
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (3, b"")
    text = err.decode()
    assert "would lose runs" in text
    assert "CONFIG SET appendonly yes" in text
    assert "maxmemory-policy is allkeys-lru" in text
    assert "the address came from --url" in text
    assert "--allow-volatile" in text
    assert "Traceback" not in text
    with dkronpy.service("beat", "--url", server.url, "--allow-volatile") as beat:
        beat.wait_for("durability D0")
        beat.wait_for("leading, epoch 1")


def test_an_agent_is_known_by_the_name_tags_and_capacity_of_its_flags(dkronpy: CommandLine) -> None:
    with dkronpy.agent("db7", "--tag", "role=db", "--tag", "dc=fra", "--capacity", "3") as agent:
        (row,) = json.loads(dkronpy("node", "list", "-o", "json").stdout)
        assert (row["name"], row["state"], row["tags"], row["capacity"]) == (
            "db7", "up", {"role": "db", "dc": "fra"}, 3,
        )  # fmt: skip
        agent.wait_for(" ready.")
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
    assert "[agent db7]" in agent.output
    assert "Traceback" not in agent.output


def test_flower_shows_the_deployment_read_only_on_loopback(dkronpy: CommandLine) -> None:
    port = free_port()
    with dkronpy.service("flower", "--port", str(port)) as flower:
        flower.wait_for(f"Flower is at http://127.0.0.1:{port}/")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            page = answer.read().decode()
        assert answer.status == 200
        assert "Flower" in page
        flower.signal(signal.SIGTERM)
        assert flower.wait() == 0
    assert "(read-only)" in flower.output
    assert "Traceback" not in flower.output


def test_flower_that_others_reach_asks_for_a_login(dkronpy: CommandLine) -> None:
    port = free_port()
    arguments = ("flower", "--address", "0.0.0.0", "--port", str(port))
    with dkronpy.service(*arguments, DKRONPY_FLOWER_BASIC_AUTH="ops:secret") as flower:
        flower.wait_for("Flower is at")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/flower/workers")
        request.add_header("Authorization", "Basic b3BzOnNlY3JldA==")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        status = "000"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/flower/workers", timeout=10).close()
        except urllib.error.HTTPError as error:
            status = str(error.code)
            error.close()
        assert status == "401"
    assert "secret" not in flower.output


def test_a_port_that_is_taken_is_one_line(dkronpy: CommandLine, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with dkronpy.process("flower", "--port", str(taken.getsockname()[1])) as process:
            _, err = process.communicate(timeout=30)
            assert process.returncode == 3
    assert b"flower_port: cannot listen on 127.0.0.1:" in err
    assert b"Traceback" not in err


def test_without_flower_installed_it_says_what_to_type(dkronpy: CommandLine) -> None:
    program = "import sys; sys.modules['flower'] = None; from dkronpy.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "flower"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**dkronpy.environment, "PATH": "/usr/bin:/bin"},
        timeout=60,
    )
    assert done.returncode == 3
    assert 'pip install "dkronpy[flower]"' in done.stderr
    assert len(done.stderr.splitlines()) <= 2
