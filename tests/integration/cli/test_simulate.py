"""`dkronpy simulate` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

JOBS = """
from dkronpy import Job, Shell
Job(name="backup", schedule="0 2 * * *", run=Shell("true"), timezone="UTC")
Job(name="ticks", schedule="*/10 * * * *", run=Shell("true"), timezone="UTC")
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    return tmp_path / "jobs.py"


def simulate(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on that configuration, in UTC."""
    command = [sys.executable, "-m", "dkronpy", "--config", str(config), "simulate", *words]
    environment = {"PYTHONPATH": str(ROOT), "TZ": "UTC", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=config.parent, check=False)


def test_it_shows_what_an_outage_changes(config: Path) -> None:
    words = ("--from", "2026-12-01", "--to", "2026-12-01 05:01", "--outage", "01:55/20m")

    shown = simulate(config, *words)
    every = simulate(config, *words, "--all", "-o", "json")

    assert shown.returncode == 0, shown.stderr
    assert "misfire_collapsed" in shown.stdout
    assert "31 due times: 30 success, 1 misfire_collapsed; 2 started late; 28 as planned are not shown" in shown.stderr
    rows = json.loads(every.stdout)
    assert len(rows) == 31
    (backup,) = [row for row in rows if row["job"] == "backup"]
    assert (backup["state"], backup["due"]) == ("success", "2026-12-01T02:00:00Z")


def test_a_maintenance_window_is_said_as_an_outage_is(config: Path) -> None:
    shown = simulate(
        config, "--from", "2026-12-01", "--to", "2026-12-01 03:01", "--pause", "ticks=01:00/1h", "--pause", "02:00/1s"
    )

    assert shown.returncode == 0, shown.stderr
    assert "19 due times: 11 success, 8 paused" in shown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--outage", "02:00"), "--outage: '02:00' is not [NODE=]TIME/LENGTH"),
        (("--outage", "noon/20m"), "--outage: 'noon' is not a moment"),
        (("--pause", "backup=02:00"), "--pause: 'backup=02:00' is not [JOB=|TAG=VALUE=]TIME/LENGTH"),
        (("--pause", "nobody=02:00/1h"), "--pause: there is no job 'nobody'"),
        (("--took", "nobody=3m"), "--took: there is no job 'nobody'"),
        (("--to", "2026-11-30"), "--to: '2026-11-30' does not lie after --from '2026-12-01'"),
    ],
)
def test_a_mistake_is_one_line(config: Path, words: tuple[str, ...], said: str) -> None:
    failed = simulate(config, "--from", "2026-12-01", "--to", "2026-12-02", *words)

    assert failed.returncode == 2
    assert said in failed.stderr
