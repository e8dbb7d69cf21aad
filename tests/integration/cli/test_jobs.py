"""Definitions through the command line: apply, job, status, node, on a real store."""

from __future__ import annotations

import json

import redis

from dkronpy.job.json import decode_job
from dkronpy.node import Node
from tests.integration.cli.conftest import CommandLine
from tests.support import wait_until

HEAD = "from dkronpy import Job, Shell, cron\n"
BACKUP = 'Job(name="backup", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("true"))\n'
REPORT = 'Job(name="report", after="backup", run=Shell("true"))\n'


def test_apply_saves_what_is_new_or_changed_and_says_so(dkronpy: CommandLine) -> None:
    jobs = dkronpy.config / "jobs.py"
    jobs.write_text(HEAD + REPORT + BACKUP)
    first = dkronpy("apply", "-o", "json")
    assert first.exit_code == 0
    # the parent comes first, although the file has it last
    assert [(row["job"], row["what"]) for row in json.loads(first.stdout)] == [
        ("backup", "created"), ("report", "created"),
    ]  # fmt: skip
    jobs.write_text(HEAD + REPORT + BACKUP.replace("30 2", "30 3"))
    again = dkronpy("apply")
    assert [line.split()[:2] for line in again.stdout.splitlines()[1:]] == [["backup", "changed"]]
    assert "1 changed, 1 unchanged" in again.stderr
    assert {view.stored.source for view in dkronpy.client.jobs()} == {"config"}


def test_a_dry_run_saves_nothing(dkronpy: CommandLine) -> None:
    jobs = dkronpy.config / "jobs.py"
    jobs.write_text(HEAD + BACKUP)
    result = dkronpy("apply", "--dry-run")
    assert result.stdout.splitlines()[1].split()[:2] == ["backup", "created"]
    assert "nothing was saved" in result.stderr
    assert dkronpy.client.jobs() == []
    dkronpy("apply")
    jobs.write_text(HEAD + BACKUP.replace("30 2", "30 3") + REPORT)
    told = json.loads(dkronpy("apply", "--dry-run", "-o", "json").stdout)
    assert [(row["job"], row["what"]) for row in told] == [("backup", "changed"), ("report", "created")]
    assert dkronpy.client.job("backup").job.schedule == "30 2 * * *"


def test_one_problem_and_nothing_is_saved(dkronpy: CommandLine) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + BACKUP + REPORT.replace("backup", "bakcup"))
    result = dkronpy("apply")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "did you mean 'backup'?" in result.stderr
    assert dkronpy.client.jobs() == []


def test_jobs_are_listed_and_shown(dkronpy: CommandLine) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + BACKUP + REPORT)
    dkronpy("apply")
    assert dkronpy("job", "list", "-o", "name").stdout == "backup\nreport\n"
    heading, backup, report = dkronpy("job", "list").stdout.splitlines()
    assert heading.startswith("NAME")
    assert "30 2 * * *" in backup
    assert " in " in backup
    assert "after backup" in report
    row = json.loads(dkronpy("job", "list", "-o", "json").stdout)[0]
    assert row["timezone"] == "Europe/Berlin"
    assert row["next"].endswith("Z")
    assert "source          config" in dkronpy("job", "show", "backup").stdout


def test_what_is_kept_of_its_history_is_shown(dkronpy: CommandLine) -> None:
    longer = BACKUP.replace("run=", 'history_limit=400, retention="400d", run=')
    (dkronpy.config / "jobs.py").write_text(HEAD + longer + REPORT)
    dkronpy("apply")
    assert "400 runs for 400d; older ones that failed: 20 for 90d" in dkronpy("job", "show", "backup").stdout
    assert "100 runs for 30d" in dkronpy("job", "show", "report").stdout
    stored = json.loads(dkronpy("job", "show", "backup", "-o", "json").stdout)
    assert (stored["history_limit"], stored["retention"], "failure_limit" in stored) == (400, "9600h", False)


def test_a_job_as_json_is_what_dkron_writes_and_reads(dkronpy: CommandLine) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + BACKUP + REPORT)
    dkronpy("apply")
    told = json.loads(dkronpy("job", "show", "backup", "-o", "json").stdout)
    assert told["executor_config"]["command"] == "true"
    assert told["dependent_jobs"] == ["report"]
    job, _ = decode_job(told)
    assert job.schedule == "30 2 * * *"


def test_completion_offers_jobs_without_waiting_for_the_store(dkronpy: CommandLine) -> None:
    dkronpy.shell("backup", "true")
    cache = dkronpy.folder / "cache"

    def offered() -> bytes:
        words = {"_DKRONPY_COMPLETE": "bash_complete", "COMP_WORDS": "dkronpy job show b", "COMP_CWORD": "3"}
        with dkronpy.process(env={"XDG_CACHE_HOME": str(cache), **words}) as process:
            out, err = process.communicate(timeout=20)
            assert err == b""
        return out.strip()

    assert offered() == b""  # nobody has asked the store yet; that goes on aside
    assert wait_until(offered, description="the names are there") == b"plain,backup"
    (file,) = (cache / "dkronpy").glob("names-*.json")
    assert file.stat().st_mode & 0o077 == 0


def test_without_jobs_the_list_says_what_to_type(dkronpy: CommandLine) -> None:
    result = dkronpy("job", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "dkronpy apply" in result.stderr
    assert dkronpy("job", "list", "-o", "json").stdout == "[]\n"


def test_a_job_is_disabled_enabled_and_deleted(dkronpy: CommandLine) -> None:
    dkronpy.shell("backup", "true")
    assert dkronpy("job", "toggle", "backup").stdout == "backup disabled\n"
    assert not dkronpy.client.job("backup").job.enabled
    assert dkronpy("job", "list", "--disabled", "-o", "name").stdout == "backup\n"
    assert dkronpy("job", "toggle", "backup").stdout == "backup enabled\n"
    refused = dkronpy("job", "delete", "backup")
    assert refused.exit_code == 2
    assert "pass --yes" in refused.stderr
    assert dkronpy("job", "delete", "backup", "--yes").stdout == "backup deleted\n"
    assert dkronpy("job", "delete", "backup", "--yes").exit_code == 5


def test_what_is_not_there_is_said_with_exit_status_5(dkronpy: CommandLine) -> None:
    for arguments in (
        ("job", "show", "x"), ("job", "toggle", "x"), ("run", "x"), ("logs", "x"), ("next", "x"), ("why", "x"),
        ("logs", "x@2026-11-23T02:30:00.000Z"), ("logs", "x@2026-11-23T02:30:00.000Z.0"),
        ("runs", "show", "x@2026-11-23T02:30:00.000Z"), ("runs", "list", "--job", "x"),
        ("runs", "cancel", "x@2026-11-23T02:30:00.000Z"), ("node", "forget", "x", "--yes"),
    ):  # fmt: skip
        result = dkronpy(*arguments)
        assert (result.exit_code, result.stdout) == (5, ""), arguments
        assert result.stderr.startswith("error: "), arguments
        assert len(result.stderr.splitlines()) <= 2, arguments


def test_next_asks_the_store_for_a_job(dkronpy: CommandLine) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + BACKUP)
    dkronpy("apply")
    (dkronpy.config / "jobs.py").unlink()
    result = dkronpy("next", "backup", "--after", "2026-11-23T12:00:00Z", "-n", "1")
    assert result.stdout == "Tue 24 Nov 2026 02:30 CET\n"


def test_next_falls_back_to_the_configuration_when_the_store_is_away(dkronpy: CommandLine) -> None:
    (dkronpy.config / "jobs.py").write_text(HEAD + BACKUP)
    away = dkronpy("next", "backup", "-n", "1", DKRONPY_STORE_URL="redis://127.0.0.1:1/0")
    assert away.exit_code == 0
    assert "02:30" in away.stdout
    assert "the store does not answer" in away.stderr


def test_status_names_what_is_missing(dkronpy: CommandLine) -> None:
    dkronpy.shell("backup", "true")
    shown = dkronpy("status").stdout
    assert "none: nothing is fired until `dkronpy beat` runs" in shown
    told = json.loads(dkronpy("status", "-o", "json").stdout)
    assert (told["leader"], told["jobs"], told["nodes"]) == (None, 1, {"alive": [], "down": []})


def test_nodes_are_listed_by_tag_and_a_dead_one_is_forgotten(dkronpy: CommandLine) -> None:
    nodes = dkronpy.client.deployment.nodes
    for name in ("web1", "db1"):
        nodes.report(Node(name=name, tags={"role": name[:-1]}, capacity=4, instance=f"host:1:{name}"))
    nodes.leave("db1", "host:1:db1")
    assert dkronpy("node", "list", "--tag", "role=web", "-o", "name").stdout == "web1\n"
    rows = {row["name"]: row for row in json.loads(dkronpy("node", "list", "-o", "json").stdout)}
    assert (rows["web1"]["state"], rows["db1"]["state"]) == ("up", "down")
    refused = dkronpy("node", "forget", "web1", "--yes")
    assert refused.exit_code == 6
    assert "is alive" in refused.stderr
    assert dkronpy("node", "forget", "db1", "--yes").stdout == "db1 forgotten\n"
    assert dkronpy("node", "list", "-o", "name").stdout == "web1\n"


def test_a_store_that_refuses_the_login_is_not_allowed(dkronpy: CommandLine, store: redis.Redis) -> None:
    port = store.get_connection_kwargs()["port"]
    result = dkronpy("job", "list", DKRONPY_STORE_URL=f"redis://nobody:wrong@127.0.0.1:{port}/0")
    assert result.exit_code == 7
    assert "wrong@" not in result.stderr
    assert "the address came from DKRONPY_STORE_URL" in result.stderr
