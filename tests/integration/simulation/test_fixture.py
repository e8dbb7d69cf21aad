"""The fixture that users import: jobs of theirs in virtual time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from dkronpy.job import Job, Run
from dkronpy.testing import Simulate, simulation

__all__ = ["simulation"]
NIGHT = datetime(2026, 12, 1, tzinfo=timezone.utc)


def test_the_nightly_backup_survives_an_outage(simulation: Simulate) -> None:
    backup = Job(name="backup", schedule="0 2 * * *", run=Run("shell", {"command": "backup"}))

    found = simulation(
        [backup],
        NIGHT,
        NIGHT + timedelta(hours=6),
        outages=[(NIGHT.replace(hour=1, minute=50), timedelta(minutes=20))],
        took={"backup": timedelta(minutes=40)},
    )

    (run,) = found.of("backup")
    assert run.state == "success"
    assert run.waited_ms == timedelta(minutes=10) // timedelta(milliseconds=1)


def test_a_maintenance_window_holds_the_backup_back(simulation: Simulate) -> None:
    backup = Job(name="backup", schedule="0 2 * * *", run=Run("shell", {"command": "backup"}))

    found = simulation(
        [backup], NIGHT, NIGHT + timedelta(hours=6), pauses=[(NIGHT.replace(hour=1), timedelta(hours=2), "backup")]
    )

    assert [run.reason for run in found.of("backup")] == ["paused"]
