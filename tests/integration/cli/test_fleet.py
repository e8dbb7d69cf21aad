"""`plan` and `apply` on a real store: ownership, drift, stale plans, guard rails, and being killed in the middle."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from dkronpy.errors import NotFoundError
from dkronpy.job import Job, Run
from tests.integration.cli.conftest import CommandLine
from tests.support import wait_until

HEAD = "from dkronpy import Job, Shell, cron, any_node\n"
BACKUP = 'Job(name="backup", schedule=cron("30 2 * * *", tz="UTC"), run=Shell("true"))\n'
REPORT = 'Job(name="report", after="backup", run=Shell("true"))\n'


def declare(dkronpy: CommandLine, *jobs: str) -> None:
    """Write the configuration anew."""
    (dkronpy.config / "jobs.py").write_text(HEAD + "".join(jobs))


def planned(dkronpy: CommandLine, *arguments: str) -> dict[str, Any]:
    """What `plan` says as JSON."""
    result = dkronpy("plan", "-o", "json", *arguments)
    document: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (2 if document["changes"] else 0)
    return document


def test_a_plan_says_what_would_change_and_changes_nothing(dkronpy: CommandLine) -> None:
    declare(dkronpy, REPORT, BACKUP)
    first = dkronpy("plan")
    assert first.exit_code == 2
    assert [line.split()[:3] for line in first.stdout.splitlines() if line.startswith("  +")] == [
        ["+", "backup", "new"], ["+", "report", "new"],
    ]  # fmt: skip
    assert "2 to add, 0 unchanged" in first.stderr
    assert dkronpy.client.jobs() == []

    assert dkronpy("apply").exit_code == 0
    after = dkronpy("plan")
    assert (after.exit_code, after.stdout) == (0, "")

    declare(dkronpy, BACKUP.replace("30 2", "30 3"))
    changed = dkronpy("plan", "--prune")
    assert "schedule  30 2 * * *  ->  30 3 * * *" in changed.stdout
    assert "due times move: " in changed.stdout
    assert "02:30 -> " in changed.stdout
    assert "- report  not in the configuration, is deleted" in changed.stdout
    assert "next: dkronpy apply --prune --plan " in changed.stderr
    assert dkronpy.client.job("backup").job.schedule == "30 2 * * *"


def test_the_plan_as_json_is_what_programs_read(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP)
    dkronpy("apply")
    declare(dkronpy, BACKUP.replace("30 2", "30 2,14"))
    document = planned(dkronpy)
    (job,) = document["jobs"]
    assert (job["job"], job["what"], job["revision"]) == ("backup", "changed", 1)
    assert job["origin"].endswith("jobs.py:2")
    assert job["changes"] == [{"field": "schedule", "old": "30 2 * * *", "new": "30 2,14 * * *"}]
    (times,) = document["due_times"]
    assert len(times["appear"]) == 3
    assert all(moment.endswith("T14:30:00.000Z") for moment in times["appear"])
    assert times["vanish"] == times["move"] == []


def test_a_stale_plan_is_refused_and_the_same_one_is_not(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP)
    plan = planned(dkronpy)["plan"]
    dkronpy.shell("backup", "somebody was faster")
    refused = dkronpy("apply", "--plan", plan)
    assert refused.exit_code == 6
    assert f"this is no longer plan {plan}" in refused.stderr
    assert dkronpy.client.job("backup").job.executor_config["command"] == "somebody was faster"

    dkronpy.client.delete_job("backup")
    assert planned(dkronpy)["plan"] == plan
    assert dkronpy("apply", "--plan", plan, "--why", "release 42").exit_code == 0
    assert dkronpy.client.job_history("backup")[0].why == "release 42"


def test_jobs_of_others_are_left_alone(dkronpy: CommandLine) -> None:
    dkronpy.shell("by-hand", "true")
    declare(dkronpy, BACKUP)
    assert dkronpy("apply", "--prune").exit_code == 0
    assert planned(dkronpy, "--prune")["others"] == 1
    assert [view.job.name for view in dkronpy.client.jobs()] == ["backup", "by-hand"]


def test_a_job_of_the_same_name_that_belongs_to_another_is_refused_or_taken_over(dkronpy: CommandLine) -> None:
    dkronpy.shell("backup", "echo mine")
    declare(dkronpy, BACKUP)
    refused = dkronpy("apply")
    assert refused.exit_code == 6
    assert "backup: a job of that name belongs to test" in refused.stderr
    assert "--take-over" in refused.stderr
    assert dkronpy.client.job("backup").stored.source == "test"

    taken = dkronpy("apply", "--take-over")
    assert "backup was made by 'test'; it now belongs to 'config'" in taken.stderr
    assert dkronpy.client.job("backup").stored.source == "config"
    assert dkronpy("plan").exit_code == 0


def test_an_equal_job_of_another_is_no_quarrel(dkronpy: CommandLine) -> None:
    run = Run("shell", {"command": "true", "shell": True})
    dkronpy.client.save_job(Job(name="backup", schedule="30 2 * * *", timezone="UTC", run=run))
    declare(dkronpy, BACKUP)
    assert dkronpy("apply").exit_code == 0
    assert dkronpy.client.job("backup").stored.source == "api"


def test_what_was_switched_off_by_hand_stays_off_until_it_is_reset(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP)
    dkronpy("apply")
    dkronpy("job", "toggle", "backup", "--why", "CRM maintenance")

    shown = dkronpy("plan")
    assert shown.exit_code == 0
    assert "drift: enabled changed by " in shown.stdout
    assert '"CRM maintenance" (stays)' in shown.stdout

    declare(dkronpy, BACKUP.replace("30 2", "30 3"))
    assert "backup stays disabled" in dkronpy("apply").stderr
    job = dkronpy.client.job("backup").job
    assert (job.schedule, job.enabled) == ("30 3 * * *", False)
    assert dkronpy("plan").exit_code == 0, "also after an apply that let it stand"

    assert dkronpy("apply", "--reset-drift").exit_code == 0
    assert dkronpy.client.job("backup").job.enabled
    assert planned(dkronpy)["jobs"] == []


def test_the_configuration_wins_where_it_changes_its_own_mind(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP.replace("run=", "enabled=False, run="))
    dkronpy("apply")
    assert not dkronpy.client.job("backup").job.enabled
    declare(dkronpy, BACKUP)
    dkronpy("apply")
    assert dkronpy.client.job("backup").job.enabled


def test_another_change_by_hand_is_shown_and_undone(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP)
    dkronpy("apply")
    edited = dkronpy.client.job("backup").job.but(schedule="0 5 * * *", timezone="UTC")
    dkronpy.client.save_job(edited, by="ann", why="too early")

    drift = planned(dkronpy)["jobs"][0]["drift"]
    assert (drift["who"], drift["why"], drift["kept"]) == ("ann", "too early", False)
    assert drift["changes"] == [{"field": "schedule", "old": "30 2 * * *", "new": "0 5 * * *"}]
    dkronpy("apply")
    assert dkronpy.client.job("backup").job.schedule == "30 2 * * *"
    assert [one.who for one in dkronpy.client.job_history("backup")][1] == "ann"


def test_pruning_asks_and_deletes_followers_first(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP, REPORT, *(BACKUP.replace("backup", f"keep{number}") for number in range(4)))
    dkronpy("apply")
    declare(dkronpy, *(BACKUP.replace("backup", f"keep{number}") for number in range(4)))
    kept = dkronpy("apply")
    assert "no longer configured, and kept: report, backup; --prune deletes them" in kept.stderr

    refused = dkronpy("apply", "--prune")
    assert refused.exit_code == 2
    assert "delete 2 jobs (report, backup)? nobody is there to answer; pass --yes" in refused.stderr
    assert dkronpy.client.job("backup")

    done = dkronpy("apply", "--prune", "--yes", "-o", "json")
    assert [row["job"] for row in json.loads(done.stdout) if row["what"] == "removed"] == ["report", "backup"]
    with pytest.raises(NotFoundError):
        dkronpy.client.job("backup")


def test_an_empty_folder_deletes_no_fleet(dkronpy: CommandLine) -> None:
    names = [f"job{number}" for number in range(6)]
    declare(dkronpy, *(BACKUP.replace("backup", name) for name in names))
    dkronpy("apply")
    declare(dkronpy)
    refused = dkronpy("apply", "--prune", "--yes")
    assert refused.exit_code == 2
    assert "6 jobs of 'config' would be deleted, more than half of what it has" in refused.stderr
    assert dkronpy("apply", "--prune", "--allow-delete", "5").exit_code == 2
    assert len(dkronpy.client.jobs()) == 6
    assert dkronpy("apply", "--prune", "--allow-delete", "6").exit_code == 0
    assert dkronpy.client.jobs() == []


def test_a_problem_anywhere_plans_and_deletes_nothing(dkronpy: CommandLine) -> None:
    declare(dkronpy, BACKUP)
    dkronpy("apply")
    (dkronpy.config / "jobs.py").write_text("import nothing_of_that_name\n")
    for arguments in (("plan",), ("apply", "--prune", "--yes")):
        result = dkronpy(*arguments)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "No module named 'nothing_of_that_name'" in result.stderr
    assert dkronpy.client.job("backup")


def test_warnings_name_what_deserves_a_second_look(dkronpy: CommandLine) -> None:
    nightly = 'Job(name="n", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("x"), on=any_node(role="bi"))\n'
    often = 'Job(name="o", schedule=cron("*/5 * * * *"), run=Shell("x"), timeout="10m")\n'
    declare(dkronpy, nightly, often)
    told = {(one["job"], one["message"]) for one in planned(dkronpy)["warnings"]}
    assert ("o", "its timeout is 10 min, and it is due every 5 min") in told
    assert any(job == "n" and "clocks go from" in message for job, message in told)


def test_what_jobs_need_and_nobody_has_made_is_said(dkronpy: CommandLine) -> None:
    declare(dkronpy, 'Job(name="n", schedule="@daily", run=Shell("x"), pools={"db": 2}, notify=["opps"])\n')
    missing = "there is no pool 'db', so its runs would wait; `dkronpy pool set db 2` makes it"
    told = [one["message"] for one in planned(dkronpy)["warnings"]]
    assert missing in told
    assert any(message.startswith("there is no channel 'opps'") for message in told)
    applied = dkronpy("apply")
    assert applied.exit_code == 0
    assert f"warning: n: {missing}\n" in applied.stderr
    assert "warning: n: there is no channel 'opps'" in applied.stderr
    checked = dkronpy("validate")
    assert checked.exit_code == 0
    assert "jobs.py:2: n: there is no channel 'opps'" in checked.stderr

    assert dkronpy("pool", "set", "db", "1").exit_code == 0
    declare(dkronpy, 'Job(name="n", schedule="@hourly", run=Shell("x"), pools={"db": 2})\n')
    short = "pool 'db' has 1 slots and it wants 2, so its runs would wait for ever"
    assert short in [one["message"] for one in planned(dkronpy)["warnings"]]
    assert dkronpy("pool", "set", "db", "2").exit_code == 0
    assert not [one for one in planned(dkronpy)["warnings"] if "pool" in one["message"]]


RENAMED = 'Job(name="{0}", schedule="@every 1h", run=Shell("true"), concurrency="{1}", owner="{2}")\n'


def test_a_job_that_is_moved_keeps_its_phase_its_counters_and_its_history(dkronpy: CommandLine) -> None:
    child = 'Job(name="child", after="{0}", run=Shell("true"))\n'
    declare(dkronpy, RENAMED.format("old", "allow", "me"), child.format("old"))
    dkronpy("apply")
    declare(dkronpy, RENAMED.format("old", "allow", "you"), child.format("old"))
    dkronpy("apply")
    before = dkronpy.client.job("old").stored
    store = dkronpy.client.deployment.store
    store.client.hset(store.keys.job_state("old"), "success_count", 7)

    move = "from dkronpy import moved\nmoved('old', 'new')\n"
    declare(dkronpy, move, RENAMED.format("new", "allow", "us"), child.format("new"))
    document = planned(dkronpy)
    assert [(job["job"], job["what"], job["moved"]) for job in document["jobs"]] == [
        ("new", "added", "old"), ("child", "changed", None),
    ]  # fmt: skip
    assert document["due_times"] == []
    assert "+ new    was old, whose history it keeps" in dkronpy("plan").stdout
    applied = dkronpy("apply", "--plan", document["plan"])
    assert applied.exit_code == 0
    assert "new was old" in applied.stderr

    view = dkronpy.client.job("new")
    assert (view.stored.anchor_ms, view.stored.due_ms) == (before.anchor_ms, before.due_ms)
    assert (view.state.success_count, view.state.dependent_jobs) == (7, ("child",))
    history = dkronpy.client.job_history("new")
    assert [(one.job.name, one.job.owner) for one in history if one.job is not None] == [
        ("new", "us"), ("new", "you"), ("new", "me"),
    ]  # fmt: skip
    assert [one.job.name for one in dkronpy.client.stored_jobs()] == ["child", "new"]
    assert dkronpy.client.job_history("old")[0].job is None
    assert dkronpy("plan").exit_code == 0  # what is done is not done again
    assert dkronpy("job", "rollback", "new").exit_code == 0
    assert dkronpy.client.job("new").job.owner == "you"


def test_a_rename_waits_for_runs_that_may_have_none_beside_them(dkronpy: CommandLine) -> None:
    declare(dkronpy, RENAMED.format("old", "forbid", "me"))
    dkronpy("apply")
    run = dkronpy.client.run_job("old")
    declare(dkronpy, "from dkronpy import moved\nmoved('old', 'new')\n", RENAMED.format("new", "forbid", "me"))
    refused = dkronpy("apply")
    assert refused.exit_code == 6
    assert "new: runs under the former name have not ended" in refused.stderr
    assert [one.job.name for one in dkronpy.client.stored_jobs()] == ["old"]
    dkronpy.client.cancel_run(run.run.id)
    assert dkronpy("apply").exit_code == 0
    assert [one.job.name for one in dkronpy.client.stored_jobs()] == ["new"]


def test_who_is_killed_between_the_two_halves_of_a_rename_has_lost_nothing(dkronpy: CommandLine) -> None:
    declare(dkronpy, RENAMED.format("old", "allow", "me"))
    dkronpy("apply")
    store = dkronpy.client.deployment.store
    store.client.hset(store.keys.job_state("old"), "success_count", 7)
    anchor = dkronpy.client.job("old").stored.anchor_ms
    dkronpy.client.delete_job("old", revision=1, heir="new")  # the save of the new name never came
    declare(dkronpy, "from dkronpy import moved\nmoved('old', 'new')\n", RENAMED.format("new", "allow", "me"))
    assert [(job["job"], job["what"]) for job in planned(dkronpy)["jobs"]] == [("new", "added")]
    assert dkronpy("apply").exit_code == 0
    view = dkronpy.client.job("new")
    assert (view.stored.anchor_ms, view.state.success_count) == (anchor, 7)
    assert len(dkronpy.client.job_history("new")) == 2


def test_a_kill_in_the_middle_leaves_of_each_job_the_old_or_the_new(dkronpy: CommandLine) -> None:
    many = "for n in range(5000): Job(name=f'job{n}', schedule=cron('30 2 * * *'), owner=WHO, run=Shell('true'))\n"
    declare(dkronpy, 'WHO = "old"\n', many)
    assert dkronpy("apply").exit_code == 0
    declare(dkronpy, 'WHO = "new"\n', many)

    with dkronpy.process("apply") as process:
        client = dkronpy.client.deployment.store.client
        last = dkronpy.client.deployment.store.keys.entry("job499")
        wait_until(lambda: client.hget(last, "rev") == b"2", timeout=60, description="the first batch is written")
        process.send_signal(signal.SIGKILL)
        process.wait()

    stored = dkronpy.client.deployment.jobs.all()
    owners = [one.job.owner for one in stored]
    assert len(stored) == 5000
    assert set(owners) == {"old", "new"}, "it was killed in the middle"
    for one in stored:
        assert (one.job.owner == "new") == (one.revision == 2 == one.applied)
    left = planned(dkronpy)
    assert [job["job"] for job in left["jobs"]] == [f"job{n}" for n in range(5000) if f"job{n}" in {
        one.job.name for one in stored if one.job.owner == "old"
    }]  # fmt: skip
    assert dkronpy("apply").exit_code == 0
    assert dkronpy("plan").exit_code == 0
