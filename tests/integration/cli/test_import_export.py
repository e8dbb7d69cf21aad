"""Jobs out of files and out of the store, through the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from dkronpy.job import Job, Run
from tests.integration.cli.conftest import CommandLine
from tests.support import ROOT

CRONTAB = "MAILTO=ops@example.com\nCRON_TZ=Europe/Berlin\n# dump\n30 2 * * * /bin/backup -a\n@reboot /bin/warm\n"
DKRON = [{"name": "report", "schedule": "@every 1h", "executor": "shell", "executor_config": {"command": "date"}}]

DKRON_FILE = ROOT / "tests/unit/importers/files/dkron.json"


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


class Dkron(BaseHTTPRequestHandler):
    """A server that answers as Dkron's API does, to those who have the token."""

    odd: ClassVar = {
        "/elsewhere/v1/jobs": (404, b"<html>"),
        "/page/v1/jobs": (200, b"<html>"),
        "/other/v1/jobs": (200, b'"jobs"'),
    }
    jobs = DKRON_FILE.read_bytes().replace(b"Nightly backup", "Nächtliche Sicherung".encode())

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == "Bearer s3cret"
        known = self.path == "/v1/jobs"
        status, body = self.odd.get(self.path, (200 if known else 404, self.jobs))
        self.send_response(status if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Total-Count", "4")
        self.end_headers()
        self.wfile.write(body if allowed else b'{"error": "no"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def dkron() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dkron) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_dkron_s_jobs_come_from_a_server_that_runs(dkronpy: CommandLine, dkron: str) -> None:
    answers = [dkronpy("import", "dkron", dkron + end, "--token", "s3cret") for end in ("", "/", "/v1", "/v1/jobs")]
    assert {(answer.exit_code, answer.stdout.partition("\n\n")[2]) for answer in answers} == {
        (0, answers[0].stdout.partition("\n\n")[2])
    }
    said = answers[0].stderr.splitlines()
    assert said[0] == "  backup: its counters and history stay in Dkron (215 runs) (job backup)"
    assert said[1] == "  report: namespace is not known here and is not kept (job report)"
    assert said[2].startswith("  Bad Name: left out: name: ")
    assert said[3] == "  orphan: left out: it follows Bad Name, which is not there"
    assert said[4] == f"2 jobs out of {dkron}, 4 notes above"

    (dkronpy.config / "jobs.py").write_text(answers[0].stdout)
    assert "2 created" in dkronpy("apply").stderr
    job = dkronpy.client.job("backup").job
    assert (job.display_name, job.schedule, job.timezone) == ("Nächtliche Sicherung", "0 30 2 * * *", "Europe/Berlin")
    assert dkronpy("plan").exit_code == 0


def test_a_dkron_that_does_not_know_us_imports_nothing(dkronpy: CommandLine, dkron: str) -> None:
    refused = dkronpy("import", "dkron", dkron, "--token", "wrong")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr.splitlines() == [
        f"error: {dkron}/v1/jobs answers 401", "hint: --token gives one that may read jobs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "said", "hint"),
    [
        ("elsewhere", "/v1/jobs answers 404", "is that where Dkron is? http://HOST:8080, for one"),
        ("page", " has no jobs of Dkron: this is not JSON: Expecting value: line 1 column 1 (char 0)", "what `curl "),
        ("other", " has no jobs of Dkron: an array of Dkron's jobs is needed, not text (jobs)", ""),
    ],
)
def test_a_server_that_is_no_dkron_is_said_in_a_line(
    dkronpy: CommandLine, dkron: str, folder: str, said: str, hint: str
) -> None:
    refused = dkronpy("import", "dkron", f"{dkron}/{folder}", "--token", "s3cret")
    assert (refused.exit_code, refused.stdout) == (3, "")
    first, *rest = refused.stderr.splitlines()
    assert first == f"error: {dkron}/{folder}{said}"
    assert [line.startswith(f"hint: {hint}") for line in rest] == ([True] if hint else [])


FILES = ROOT / "tests/unit/importers/files"


@pytest.mark.parametrize(
    ("arguments", "notes"),
    [
        (("crontab", "user.crontab", "--zone", "America/New_York"), 5),
        (("crontab", "system.crontab", "--system", "--zone", "UTC", "--node", "web1"), 3),
        (("dkron", "dkron.json"), 4),
        (("celery-beat", "celery_app.py"), 5),
        (("kubernetes", "cronjobs.yaml"), 8),
    ],
    ids=["user", "system", "dkron", "celery", "kubernetes"],
)
def test_what_is_imported_goes_the_whole_way_round(
    dkronpy: CommandLine, arguments: tuple[str, ...], notes: int
) -> None:
    kind, file, *more = arguments
    imported = dkronpy("import", kind, str(FILES / file), *more)
    assert imported.exit_code == 0
    *report, last = imported.stderr.splitlines()
    told = json.loads(dkronpy("import", kind, str(FILES / file), *more, "-o", "json").stdout)
    assert last.startswith(f"{len(told['jobs'])} jobs out of {FILES / file}, {notes} notes above")
    assert [line.strip() for line in report] == [
        f"{one['where']}: {one['what']}" + (f" (job {one['job']})" if one["job"] else "") for one in told["report"]
    ]
    for one in told["report"]:  # each stands in the file as well, at its job or at the head
        assert " ".join(one["what"].split()) in " ".join(imported.stdout.split()), one

    (dkronpy.config / "jobs.py").write_text(imported.stdout)
    assert f"{len(told['jobs'])} created" in dkronpy("apply").stderr
    again = dkronpy("plan")
    assert (again.exit_code, again.stdout) == (0, "")
    for path, form in (("jobs.py", "py"), ("jobs.json", "json")):
        exported_to(dkronpy, dkronpy.config / path, "-o", form)
        kept = json.loads(dkronpy("plan", "-o", "json").stdout)
        assert (kept["jobs"], kept["unchanged"]) == ([], len(told["jobs"]))


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
