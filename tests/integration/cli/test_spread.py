"""Jobs that are spread: `plan` says which minute and why, `apply` pins it, and nothing moves it afterwards."""

from __future__ import annotations

import json

from tests.integration.cli.conftest import CommandLine
from tests.integration.results.records import T0, a_run

HEAD = "from dkronpy import Job, Shell, cron\n"
LONG = 'Job(name="long", schedule=cron("0 2 * * *"), run=Shell("true"))\n'
REPORT = 'Job(name="report", schedule=cron("0 2 * * *"), spread="1h", run=Shell("true"))\n'
MINUTE_MS = 60_000


def declare(dkronpy: CommandLine, *jobs: str) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + "".join(jobs))


def took(dkronpy: CommandLine, job: str, minutes: int) -> None:
    """A run of *job* that took so long."""
    run = a_run(job, fired_ms=T0, finished_ms=T0 + minutes * MINUTE_MS, execution_ids=())
    dkronpy.client.deployment.results.save_run(run)


def minute_of(dkronpy: CommandLine, name: str) -> int:
    """How many minutes after two o'clock it is due."""
    due_ms = dkronpy.client.job(name).stored.due_ms
    assert due_ms is not None
    return due_ms // MINUTE_MS % 1440 - 120


def test_the_minute_is_chosen_by_how_long_others_run_shown_pinned_and_kept(dkronpy: CommandLine) -> None:
    declare(dkronpy, LONG)
    dkronpy("apply")
    took(dkronpy, "long", 45)
    declare(dkronpy, LONG, REPORT)
    plan = dkronpy("plan")
    (line,) = [line.strip() for line in plan.stdout.splitlines() if "spread:" in line]
    assert line.endswith("minutes later than its schedule says: at most 1 run is under way then, 2 before")
    assert dkronpy("apply").exit_code == 0
    chosen = minute_of(dkronpy, "report")
    assert line.startswith(f"spread: {chosen} minutes later")
    assert 45 <= chosen < 60
    shown = json.loads(dkronpy("job", "show", "report", "-o", "json").stdout)
    assert (shown["spread"], shown["spread_by"]) == ("1h", f"{chosen}m")

    others = (LONG.replace('"long"', f'"long-{n}"').replace("0 2", f"{chosen} 2") for n in range(5))
    declare(dkronpy, LONG, *others, REPORT)
    assert dkronpy("apply").exit_code == 0
    assert minute_of(dkronpy, "report") == chosen, "it does not move by itself"
    assert dkronpy("plan").stdout == ""

    declare(dkronpy, "from dkronpy import moved\nmoved('report', 'digest')\n", LONG, REPORT.replace("report", "digest"))
    assert dkronpy("apply").exit_code == 0
    assert minute_of(dkronpy, "digest") == chosen, "nor with its name"


def test_many_that_come_at_once_do_not_get_in_the_way_of_one_another(dkronpy: CommandLine) -> None:
    declare(dkronpy, "for n in range(60):\n    ", REPORT.replace('"report"', 'f"report-{n}"'))
    dkronpy("apply")
    assert {minute_of(dkronpy, f"report-{n}") for n in range(60)} == set(range(60))


def test_a_job_that_is_saved_by_itself_is_spread_as_well(dkronpy: CommandLine) -> None:
    declare(dkronpy, LONG)
    dkronpy("apply")
    took(dkronpy, "long", 59)
    dkronpy.client.save_job(dkronpy.client.job("long").job.but(name="other", spread="1h"))
    assert minute_of(dkronpy, "other") == 59


def test_a_stored_tilde_stays_where_it_is_until_the_configuration_says_otherwise(dkronpy: CommandLine) -> None:
    """As an earlier version stored it: the definition says nothing, and ``~`` had Dkron's value."""
    tilde = LONG.replace("0 2", "~ 2")
    declare(dkronpy, tilde.replace("run=", 'hash_rule="dkron", run='))
    dkronpy("apply")
    before = dkronpy.client.job("long").stored
    store = dkronpy.client.deployment.store
    entry = store.keys.entry("long")
    store.client.hset(entry, "job", store.client.hget(entry, "job").replace(b',"hash_rule":"dkron"', b""))

    declare(dkronpy, tilde)
    assert dkronpy("plan").stdout == ""
    dkronpy("apply")
    assert dkronpy.client.job("long").stored.due_ms == before.due_ms
    declare(dkronpy, tilde.replace("run=", 'hash_rule="even", run='))
    assert "hash_rule  dkron  ->  even" in dkronpy("plan").stdout
    dkronpy("apply")
    assert dkronpy.client.job("long").stored.due_ms != before.due_ms


def test_the_forecast_says_whom_to_spread(dkronpy: CommandLine) -> None:
    declare(dkronpy, "for n in range(6):\n    ", LONG.replace('"long"', 'f"long-{n}"'))
    told = dkronpy("--config", str(dkronpy.config), "forecast")
    assert 'hint: spread="1h" for long-' in told.stderr
    assert "would bring the fullest minute from 6 runs to 1" in told.stderr
    found = json.loads(dkronpy("--config", str(dkronpy.config), "forecast", "-o", "json").stdout)
    assert (found["spread"]["within"], found["spread"]["before"], found["spread"]["after"]) == (3600, 6, 1)
