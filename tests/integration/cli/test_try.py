"""`dkronpy try` and the fixture ``dkronpy_job``: one job, here and now, with no store at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, wait_until

JOBS = """
from dkronpy import Job, Python, Shell, cron, manual, secret, on_node
from config import work

Job(name="hello", schedule=cron("30 2 * * *", tz="Europe/Berlin"), on=on_node("db1"),
    run=Shell("echo hello on $DKRONPY_NODE"))
Job(name="fails", schedule=manual(), run=Shell("echo so; exit 3"))
Job(name="slow", schedule=manual(), run=Shell("echo up; sleep 60"), timeout="1s")
Job(name="long", schedule=manual(), run=Shell("echo up; sleep 60 & wait"))
Job(name="hidden", schedule=manual(), run=Shell("echo $PW", env={"PW": secret("pw"), "password": "plain"}))
Job(name="rendered", schedule=manual(), run=Shell(("echo", "{{ job.name }} at {{ due.year }}")))
Job(name="sum", schedule=manual(), run=Python(work.add, 2, b=3))
Job(name="broken", schedule=cron("61 * * * *"), run=Shell("x"))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a configuration, and nothing else."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "__init__.py").touch()
    (config / "work.py").write_text("def add(a, b):\n    print('adding')\n    return a + b\n")
    (config / "jobs.py").write_text(JOBS)
    return tmp_path


def environment(project: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DKRONPY_")}
    return {**clean, "PYTHONPATH": str(ROOT), "DKRONPY_DATA_DIR": str(project / "data"), "TZ": "UTC", **more}


def tried(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dkronpy", "try", *arguments],
        cwd=project, env=environment(project, **more), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_job_runs_without_a_store_and_says_how_it_went(project: Path) -> None:
    done = tried(project, "config::hello", DKRONPY_NODE_NAME="here")
    assert (done.returncode, done.stdout) == (0, "hello on here\n")
    assert done.stderr.startswith("hello: success in ")


def test_the_exit_status_is_the_command_s_own(project: Path) -> None:
    done = tried(project, "fails")
    assert (done.returncode, done.stdout) == (3, "so\n")
    assert "fails: failed (exit) in " in done.stderr
    assert tried(project, "slow").returncode == 124


def test_a_callable_of_the_configuration_is_called_and_its_result_shown(project: Path) -> None:
    done = tried(project, "sum")
    assert (done.returncode, done.stdout) == (0, "adding\n"), done.stderr
    assert done.stderr.rstrip().endswith("result 5")


def test_secrets_are_those_of_this_machine_and_masked(project: Path) -> None:
    done = tried(project, "hidden", DKRONPY_SECRET_PW="hunter2")
    assert (done.returncode, done.stdout) == (0, "***\n"), done.stderr
    missing = tried(project, "hidden")
    assert missing.returncode == 5
    assert "secret 'pw' is not on this node" in missing.stderr


def test_a_dry_run_says_what_would_run_where(project: Path) -> None:
    done = tried(project, "config/jobs.py::hello", "--dry-run", DKRONPY_NODE_NAME="here")
    assert done.returncode == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines() if not line.startswith(" "))
    assert lines["where"] == "node db1; here it is the node here"
    assert lines["executor"] == "shell"
    assert "02:30" in lines["due"]
    assert "command = echo hello on $DKRONPY_NODE" in done.stdout
    rendered = tried(project, "rendered", "--dry-run").stdout
    assert '"rendered at 20' in rendered
    hidden = tried(project, "hidden", "--dry-run", DKRONPY_SECRET_PW="hunter2").stdout
    assert 'env.PW = {"secret": "pw"}' in hidden
    assert "env.password = ***" in hidden
    assert "hunter2" not in hidden


def test_what_cannot_be_tried_is_said_in_a_line_or_two(project: Path) -> None:
    wrong = tried(project, "helo")
    assert (wrong.returncode, wrong.stdout) == (5, "")
    assert "did you mean 'hello'?" in wrong.stderr
    broken = tried(project, "broken")
    assert broken.returncode == 3
    assert "61 is out of range" in broken.stderr


def test_ctrl_c_ends_all_that_was_started(project: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "dkronpy", "try", "long"],
        cwd=project, env=environment(project), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, timeout=20, description="it ends")
        assert process.returncode == 130


TESTS = """
import pytest
from dkronpy.errors import NotFoundError

def test_it_says_hello(dkronpy_job):
    run = dkronpy_job("hello").run(node="n1")
    assert (run.success, run.output) == (True, "hello on n1\\n")

def test_its_failure(dkronpy_job):
    run = dkronpy_job("fails").run()
    assert (run.success, run.exit_code, run.reason) == (False, 3, "exit")

def test_its_definition_and_result(dkronpy_job):
    job = dkronpy_job("sum")
    assert job.definition.executor == "python"
    assert job.run().result == 5

def test_its_secret(dkronpy_job):
    assert dkronpy_job("hidden").run(secrets={"pw": "hunter2"}).output == "***\\n"
    with pytest.raises(NotFoundError, match="gives no secret 'pw'"):
        dkronpy_job("hidden").run()

def test_a_name_that_is_none(dkronpy_job):
    with pytest.raises(pytest.fail.Exception, match="did you mean 'hello'"):
        dkronpy_job("helo")
"""


def test_users_test_their_own_jobs(project: Path) -> None:
    (project / "test_jobs.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(project)],
        cwd=project, env=environment(project), capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert "5 passed" in done.stdout, done.stdout
