"""Calendars that jobs share: stored under a name, found when a job is saved, followed when they change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dkronpy.clock import from_ms
from dkronpy.job import Job, Run
from dkronpy.job.json import decode_job, encode_job
from dkronpy.schedule.calendar import Calendar
from tests.integration.cli.conftest import CommandLine

COMMAND = Run("shell", {"command": "true"})


def save(dkronpy: CommandLine, *days: str, name: str = "de") -> str:
    file: Path = dkronpy.folder / "days.txt"
    file.write_text("\n".join(days))
    done = dkronpy("calendar", "save", name, str(file))
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_a_job_takes_the_calendar_of_that_name_and_follows_it(dkronpy: CommandLine) -> None:
    save(dkronpy, "12-25")
    dkronpy.client.save_job(Job(name="pay", schedule="0 9 * * *", run=COMMAND, calendar="de", off_day="previous"))
    dkronpy.client.save_job(Job(name="other", schedule="0 9 * * *", run=COMMAND))
    before = dkronpy.client.job("pay")
    assert before.job.calendar == Calendar(name="de", off=("12-25",), revision=1)
    assert save(dkronpy, "12-25") == "de is at revision 1, 1 days; 0 jobs follow it\n"
    assert save(dkronpy, "12-25", "12-26") == "de is at revision 2, 2 days; 1 jobs follow it\n"
    after = dkronpy.client.job("pay")
    assert after.stored.revision == before.stored.revision + 1
    assert after.job.calendar is not None
    assert after.job.calendar.off == ("12-25", "12-26")
    assert decode_job(json.dumps(encode_job(after.job)))[0] == after.job


def test_the_next_due_time_moves_with_the_calendar(dkronpy: CommandLine) -> None:
    save(dkronpy, "2020-01-01")
    dkronpy.client.save_job(Job(name="pay", schedule="0 9 25 12 *", run=COMMAND, calendar="de", off_day="next"))
    due = dkronpy.client.job("pay").stored.due_ms
    assert due is not None
    save(dkronpy, f"{from_ms(due):%Y-%m-%d}")
    moved = dkronpy.client.job("pay").stored.due_ms
    assert moved is not None
    assert moved > due


def test_lists_and_details(dkronpy: CommandLine) -> None:
    save(dkronpy, "12-25")
    dkronpy.client.save_job(Job(name="pay", schedule="0 9 * * *", run=COMMAND, calendar="de"))
    (row,) = json.loads(dkronpy("calendar", "list", "-o", "json").stdout)
    assert (row["name"], row["revision"], row["days"], row["jobs"]) == ("de", 1, 1, 1)
    shown = json.loads(dkronpy("calendar", "show", "de", "-o", "json").stdout)
    assert (shown["off"], shown["jobs"], shown["weekend"]) == (["12-25"], ["pay"], ["SAT", "SUN"])


def test_one_that_is_used_is_not_deleted(dkronpy: CommandLine) -> None:
    save(dkronpy, "12-25")
    dkronpy.client.save_job(Job(name="pay", schedule="0 9 * * *", run=COMMAND, calendar="de"))
    refused = dkronpy("calendar", "delete", "de", "--yes")
    assert refused.exit_code == 6
    assert "calendar 'de' is used by pay" in refused.stderr
    dkronpy.client.delete_job("pay")
    assert dkronpy("calendar", "delete", "de", "--yes").exit_code == 0
    assert dkronpy("calendar", "list").stderr.startswith("no calendars")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("calendar", "show", "dee"), 5, "there is no calendar 'dee'"),
        (("calendar", "save", "De!", "days.txt"), 3, "is no name of a calendar"),
        (("calendar", "save", "de", "days.txt", "--weekend", "SATURDAY"), 3, "is no day of the week"),
        (("calendar", "save", "de", "none.ics"), 2, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    dkronpy: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (dkronpy.folder / "days.txt").write_text("12-25\n")
    done = dkronpy(*(str(dkronpy.folder / one) if one.endswith((".txt", ".ics")) else one for one in arguments))
    assert done.exit_code == code, done.stderr
    assert said in done.stderr


def test_a_calendar_that_nobody_stored_is_named_with_the_nearest(dkronpy: CommandLine) -> None:
    save(dkronpy, "12-25")
    (dkronpy.config / "jobs.py").write_text(
        "from dkronpy import Job, Shell\nJob(name='pay', schedule='@daily', run=Shell('true'), calendar='dee')\n"
    )
    done = dkronpy("apply")
    assert done.exit_code == 3, done.stdout + done.stderr
    assert "there is no calendar 'dee'" in done.stderr
    assert "did you mean 'de'?" in done.stderr


def test_a_calendar_that_changes_is_no_drift_of_the_jobs_that_follow_it(dkronpy: CommandLine) -> None:
    save(dkronpy, "12-25")
    (dkronpy.config / "jobs.py").write_text(
        "from dkronpy import Job, Shell\nJob(name='pay', schedule='@daily', run=Shell('true'), calendar='de')\n"
    )
    assert dkronpy("apply").exit_code == 0
    assert dkronpy("plan").exit_code == 0, "nothing to do"
    save(dkronpy, "12-25", "12-26")
    plan = dkronpy("plan")
    assert plan.exit_code == 0, plan.stdout + plan.stderr
    assert "drift" not in plan.stdout
