"""How jobs are kept: in Python files of a folder, which is loaded as a whole, mistakes and all.

`example_config/` beside this file shows what can be said; type checkers and editors know every word of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dkronpy import any_node, on_node
from dkronpy.config import load_jobs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def test_every_job_that_a_file_builds_belongs_to_the_configuration() -> None:
    config = load_jobs(HERE / "example_config")
    assert config.problems == ()

    jobs = {job.name: job for job in config.jobs}
    assert len(jobs) == 14
    assert jobs["publish"].after == ("load-customers", "load-orders")  # it waits for both
    assert jobs["refresh-prices-nightly"].executor_config == jobs["refresh-prices"].executor_config
    assert jobs["warm-caches"].on == any_node(2, role="web", dc="fra")
    assert jobs["snapshot"].on == on_node("db1")
    assert jobs["forget-sessions"].doc == "Forget the sessions that nobody has used for some days."
    assert jobs["purge-uploads"].executor_config["callable"] == "example_config.maintenance:purge"


def test_secrets_stay_names() -> None:
    jobs = {job.name: job for job in load_jobs(HERE / "example_config").jobs}
    assert jobs["sales-report"].executor_config["env"] == {"DATABASE_URL": {"secret": "reports/database"}}


def test_mistakes_are_told_where_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "myjobs"
    folder.mkdir()
    (folder / "etl.py").write_text(
        'from dkronpy import Job, Shell\n\nJob(name="extract", schedule="0 4 * *", run=Shell("etl extract"))\n'
        'Job(name="load", after="extrct", run=Shell("etl load"), timout="2h")\n'
    )
    monkeypatch.chdir(tmp_path)
    problems = "\n".join(map(str, load_jobs("myjobs").problems))
    assert problems == textwrap.dedent(
        """\
        myjobs/etl.py:3:30: extract: schedule: expected 5 fields (minute hour day month weekday) or 6 (second first), found 4 at column 1
            Job(name="extract", schedule="0 4 * *", run=Shell("etl extract"))
                                         ^^^^^^^^^
        myjobs/etl.py:4:24: load: after: no job named 'extrct'
            Job(name="load", after="extrct", run=Shell("etl load"), timout="2h")
                                   ^^^^^^^^
            hint: did you mean 'extract'?
        myjobs/etl.py:4:64: load: timout: a job has no field 'timout'
            Job(name="load", after="extrct", run=Shell("etl load"), timout="2h")
                                                                           ^^^^
            hint: did you mean 'timeout'?"""  # noqa: E501 - as people see it
    )


def check_types(*arguments: str) -> subprocess.CompletedProcess[str]:
    cache = str(ROOT / ".mypy_cache")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports",
            "silent",
            "--cache-dir",
            cache,
            "--config-file",
            os.devnull,
            *arguments,
        ],
        env={**os.environ, "MYPYPATH": f"{HERE}:{ROOT}"},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_example_satisfies_a_strict_type_checker() -> None:
    done = check_types("-p", "example_config")
    assert done.returncode == 0, done.stdout


def test_a_type_checker_finds_wrong_words_and_arguments() -> None:
    wrong = (
        "from dkronpy import Http, Job, Python, any_node\n"
        "from example_config.maintenance import purge\n"
        'Job(name="a", run=Http("http://x", "PSOT"), timout="5m")\n'
        'Job(name="b", run=Python(purge, "ninety"), concurrency="never", on=any_node(role=1))\n'
    )
    done = check_types("-c", wrong)
    assert done.returncode == 1
    for word in ('"timout"', "'PSOT'", '"Python" matches argument types', "'never'", '"int"; expected "str"'):
        assert word in done.stdout
