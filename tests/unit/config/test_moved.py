"""What a configuration was before: jobs of other names, and jobs that are stored just so."""

from __future__ import annotations

from pathlib import Path

from dkronpy import Job, Run
from dkronpy.config import load_jobs
from tests.unit.config.test_config import load

HEAD = "from dkronpy import Run, moved\n"


def test_a_job_may_say_what_it_was_called(tmp_path: Path) -> None:
    config = load(tmp_path, a_py=HEAD + 'moved("old", "a")\nJob(name="a", schedule="@daily", run=Shell("x"))')
    assert (config.problems, config.moved) == ((), {"a": "old"})


def test_what_cannot_have_been_moved_is_a_problem_at_its_line(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        a_py="""
        from dkronpy import moved
        Job(name="a", schedule="@daily", run=Shell("x"))
        Job(name="b", schedule="@daily", run=Shell("x"))
        moved("old", "aa")
        moved("a", "b")
        moved("", "b")
        moved("one", "b")
        moved("two", "b")
        """,
    )
    assert config.moved == {}
    assert [(one.place.line, one.message) for one in config.problems] == [
        (5, "no job named 'aa'"),
        (6, "'a' is still a job of this configuration"),
        (7, "'' is no name of a job"),
        (8, "'one' or 'b' is moved twice"),
        (9, "'two' or 'b' is moved twice"),
    ]


def test_what_is_stored_just_so_was_checked_then(tmp_path: Path) -> None:
    line = 'Job(name="a", schedule="@daily", run=Run("nobodys", {{"x": "1"}}), owner="{0}")'
    stored = Job(name="a", schedule="@daily", run=Run("nobodys", {"x": "1"}), owner="me")
    load(tmp_path, a_py=HEAD + line.format("me"))
    assert load_jobs(tmp_path / "config", stored=[stored]).problems == ()
    assert len(load_jobs(tmp_path / "config").problems) == 1
    load(tmp_path, a_py=HEAD + line.format("you"))
    assert len(load_jobs(tmp_path / "config", stored=[stored]).problems) == 1
