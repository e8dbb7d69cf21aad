"""Jobs out of files and out of the store, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from dkronpy.job import Job, Run
from tests.integration.cli.conftest import CommandLine

CRONTAB = "MAILTO=ops@example.com\nCRON_TZ=Europe/Berlin\n# dump\n30 2 * * * /bin/backup -a\n@reboot /bin/warm\n"
DKRON = [{"name": "report", "schedule": "@every 1h", "executor": "shell", "executor_config": {"command": "date"}}]


def test_an_imported_crontab_is_configuration_that_applies(dkronpy: CommandLine) -> None:
    file = dkronpy.folder / "crontab"
    file.write_text(CRONTAB)
    imported = dkronpy("import", "crontab", str(file))
    assert imported.exit_code == 0
    assert "line 5: left out: @reboot has no counterpart" in imported.stderr
    assert "line 5: left out: @reboot" in imported.stdout.partition('"""\n')[0], "it stands at the head of the file"
    assert dkronpy("import", "crontab", str(file), "--strict").exit_code == 1

    (dkronpy.config / "jobs.py").write_text(imported.stdout)
    assert "1 created" in dkronpy("apply").stderr
    job = dkronpy.client.job("backup").job
    assert (job.schedule, job.timezone, job.doc) == ("30 2 * * *", "Europe/Berlin", "dump")


def test_dkron_s_jobs_come_from_a_file_and_as_json(dkronpy: CommandLine) -> None:
    file = dkronpy.folder / "jobs.json"
    file.write_text(json.dumps(DKRON))
    told = json.loads(dkronpy("import", "dkron", str(file), "-o", "json").stdout)
    assert [job["name"] for job in told["jobs"]] == ["report"]
    assert told["report"] == []


def test_what_cannot_be_imported_is_said_in_a_line_or_two(dkronpy: CommandLine) -> None:
    broken = dkronpy.folder / "broken.py"
    broken.write_text("raise RuntimeError('no')\n")
    for arguments, status in (
        (("crontab", "/nowhere/crontab"), 5), (("dkron", "http://127.0.0.1:1"), 4), (("dkron", str(broken)), 3),
        (("celery-beat", str(broken)), 3), (("celery-beat", "nothing.of.that:name"), 3),
        (("kubernetes", str(dkronpy.config)), 3), (("crontab", str(broken), "--zone", "Europe/Belin"), 3),
    ):  # fmt: skip
        result = dkronpy("import", *arguments)
        assert (result.exit_code, result.stdout) == (status, ""), arguments
        assert result.stderr.startswith("error: "), arguments
        assert len(result.stderr.splitlines()) <= 3, arguments


def exported_to(dkronpy: CommandLine, path: Path, *arguments: str) -> None:
    """Export, and let that be the whole configuration."""
    for file in dkronpy.config.iterdir():
        if file.is_file():
            file.unlink()
    result = dkronpy("export", *arguments)
    assert result.exit_code == 0, result.stderr
    path.write_text(result.stdout)


def test_what_is_exported_applies_to_no_change(dkronpy: CommandLine) -> None:
    dkronpy.shell("backup", "echo a", owner="ann")
    dkron = {"command": "echo b", "shell": "true"}
    dkronpy.client.save_job(Job(name="report", schedule="", after=("backup",), run=Run("shell", dkron)))
    before = {view.job.name: view.stored.revision for view in dkronpy.client.jobs()}
    for file, arguments in (("jobs.py", ()), ("jobs.json", ("-o", "json"))):
        exported_to(dkronpy, dkronpy.config / file, *arguments)
        plan = json.loads(dkronpy("plan", "--take-over", "-o", "json").stdout)
        assert [(job["job"], job["what"], job["changes"]) for job in plan["jobs"]] in (
            [], [("backup", "changed", []), ("report", "changed", [])],
        ), "nothing but whom they belong to"  # fmt: skip
        assert dkronpy("apply", "--take-over").exit_code == 0
        assert {view.job.name: view.stored.revision for view in dkronpy.client.jobs()} == before
        assert dkronpy("plan").exit_code == 0


def test_export_chooses_by_name_and_by_source(dkronpy: CommandLine) -> None:
    dkronpy.shell("one", "true")
    dkronpy.client.save_job(Job(name="two", schedule="@manually", run=Run("shell", {"command": "true"})))
    assert 'name="one"' not in dkronpy("export", "two").stdout
    assert 'name="two"' not in dkronpy("export", "--source", "test").stdout
    assert dkronpy("export", "three").exit_code == 5
