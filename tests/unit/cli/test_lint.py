"""`dkronpy lint --dst`: every date on which a clock change matters to a job, for as far as one likes."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from dkronpy.cli.main import cli

JOBS = """
from dkronpy import Job, Shell, cron

Job(name="nightly", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("true"))
Job(name="hourly", schedule=cron("0 * * * *", tz="Europe/Berlin"), run=Shell("true"))
Job(name="off", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("true"), enabled=False)
"""


def lint(folder: Path, *arguments: str) -> list[dict[str, str]]:
    (folder / "jobs.py").write_text(JOBS)
    done = CliRunner().invoke(cli, ["lint", str(folder), "-o", "json", *arguments])
    assert done.exit_code == 0, done.stderr
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def test_each_date_is_named_with_what_happens(tmp_path: Path) -> None:
    rows = lint(tmp_path, "--dst", "24m")
    assert {row["job"] for row in rows} == {"nightly"}
    assert len(rows) == 4
    assert rows == sorted(rows, key=lambda row: row["date"])
    assert len(lint(tmp_path, "--dst", "2y")) == 4
    assert len(lint(tmp_path)) == 2


def test_a_span_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    for text in ("soon", "0m", "9999y"):
        done = CliRunner().invoke(cli, ["lint", str(tmp_path), "--dst", text])
        assert done.exit_code == 2
        assert "write 24m or 2y" in done.stderr
