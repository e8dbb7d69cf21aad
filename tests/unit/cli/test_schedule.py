"""`dkronpy next` and `dkronpy explain`, without a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Invoke

AFTER = ("--after", "2026-11-23T12:00:00Z")
BERLIN = ("--timezone", "Europe/Berlin")


def test_due_times_are_shown_in_the_zone_of_the_expression(invoke: Invoke) -> None:
    result = invoke("next", "30 2 * * MON-FRI", *BERLIN, *AFTER, "-n", "3")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Tue 24 Nov 2026 02:30 CET",
        "Wed 25 Nov 2026 02:30 CET",
        "Thu 26 Nov 2026 02:30 CET",
    ]


def test_for_programs_they_are_an_array_of_texts_in_utc(invoke: Invoke) -> None:
    result = invoke("next", "30 2 * * MON-FRI", *BERLIN, *AFTER, "--count", "2", "-o", "json")
    assert json.loads(result.stdout) == ["2026-11-24T01:30:00Z", "2026-11-25T01:30:00Z"]


def test_a_zone_in_the_expression_wins(invoke: Invoke) -> None:
    result = invoke("next", "TZ=Asia/Tokyo 0 9 * * *", *AFTER, "-n", "1")
    assert result.stdout == "Tue 24 Nov 2026 09:00 JST\n"


def test_after_without_an_offset_is_read_in_the_zone(invoke: Invoke) -> None:
    result = invoke("next", "0 3 * * *", *BERLIN, "--after", "2026-11-24 02:59", "-n", "1")
    assert result.stdout == "Tue 24 Nov 2026 03:00 CET\n"


def test_around_clock_changes_each_touched_day_stands_between_its_neighbours(invoke: Invoke) -> None:
    result = invoke("next", "30 2 * * *", *BERLIN, *AFTER, "--around-dst")
    lines = result.stdout.splitlines()
    assert [line[:26].strip() for line in lines] == [
        "Sat 27 Mar 2027 02:30 CET",
        "Sun 28 Mar 2027 03:00 CEST",
        "Mon 29 Mar 2027 02:30 CEST",
        "Sat 30 Oct 2027 02:30 CEST",
        "Sun 31 Oct 2027 02:30 CEST",
        "Mon 01 Nov 2027 02:30 CET",
    ]
    assert "02:30 does not exist" in lines[1]
    assert "comes twice" in lines[4]


def test_around_clock_changes_a_day_without_a_due_time_is_said(invoke: Invoke) -> None:
    result = invoke("next", "* 2 * * *", *BERLIN, *AFTER, "--around-dst")
    assert "(not due)" in result.stdout
    assert "28 Mar 2027: does not run that day" in result.stdout
    assert len(result.stdout.splitlines()) < 15


def test_a_schedule_that_clock_changes_leave_alone_says_so(invoke: Invoke) -> None:
    result = invoke("next", "*/15 * * * *", *BERLIN, *AFTER, "--around-dst")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no clock change" in result.stderr


def test_a_schedule_that_is_never_due_by_itself_says_so(invoke: Invoke) -> None:
    result = invoke("next", "@manually")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "never due by itself" in result.stderr
    assert invoke("next", "@manually", "-o", "json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "minute: 61 is out of range 0-59 at column 1"),
        ("0 0 31 2 *", "never"),
        ("* * *", "expected 5 fields"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_the_reason(
    invoke: Invoke, expression: str, said: str
) -> None:
    for command in ("next", "explain"):
        result = invoke(command, expression)
        assert (result.exit_code, result.stdout) == (3, "")
        assert said in result.stderr


@pytest.mark.parametrize("option", ["--timezone", "--after"])
def test_a_wrong_option_is_refused(invoke: Invoke, option: str) -> None:
    result = invoke("next", "@daily", option, "Europe/Belin")
    assert result.exit_code in (2, 3)
    assert "Europe/Belin" in result.stderr


def test_a_job_of_the_configuration_needs_no_store(invoke: Invoke) -> None:
    Path("jobs").mkdir()
    Path("jobs/jobs.py").write_text(
        "from dkronpy import Job, Shell, cron\n"
        'Job(name="nightly", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("true"))\n'
    )
    result = invoke("--config", "jobs", "next", "nightly", *AFTER, "-n", "1")
    assert (result.exit_code, result.stdout) == (0, "Tue 24 Nov 2026 02:30 CET\n")
    assert invoke("explain", "nightly", "--config", "jobs").stdout.startswith("At 02:30, every day, Europe/Berlin")


def test_a_job_that_nobody_knows_is_not_found(invoke: Invoke) -> None:
    result = invoke("next", "nightly")
    assert result.exit_code == 5
    assert "'nightly'" in result.stderr
    assert "in quotes" in result.stderr


def test_explain_names_the_clock_changes(invoke: Invoke) -> None:
    result = invoke("explain", "30 2 * * *", *BERLIN)
    assert result.stdout.startswith("At 02:30, every day, Europe/Berlin time.\n")
    assert "does not exist" in result.stdout
    told = json.loads(invoke("explain", "30 2 * * *", *BERLIN, "-o", "json").stdout)
    assert told["schedule"] == "30 2 * * *"
    assert len(told["clock_changes"]) >= 2
