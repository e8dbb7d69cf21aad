"""The clients that were written for Dkron, unmodified, each in an environment of its own with what it asks for."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.api.site import Api

PYDKRON = """
import json, sys
from pydkron.client import DkronClient, DkronJobNotFound

client = DkronClient([sys.argv[1].removeprefix("http://")])
client.create_job({"name": "own-env", "schedule": "@every 1h", "executor": "shell",
                   "executor_config": {"command": "true"}})
told = {"listed": "own-env" in [one["name"] for one in client.jobs()]}
told["run"] = client.run_job("own-env")["name"]
told["toggled"] = client.toggle("own-env")["disabled"]
told["deleted"] = client.delete_job("own-env")["name"]
try:
    client.get_job("own-env")
except DkronJobNotFound:
    told["gone"] = True
print(json.dumps(told))
"""
DKRON = """
import json, sys
from dkron import Dkron, DkronException

api = Dkron([sys.argv[1]])
told = {"status": sorted(api.get_status()), "leader": api.get_leader()["Name"] != ""}
told["members"] = [one["Name"] for one in api.get_members()]
api.apply_job({"name": "own-env-2", "schedule": "@every 1h", "executor": "shell",
               "executor_config": {"command": "true"}})
told["listed"] = "own-env-2" in [one["name"] for one in api.get_jobs()]
told["run"] = api.run_job("own-env-2")["name"]
told["shown"] = api.get_job("own-env-2")["schedule"]
told["deleted"] = api.delete_job("own-env-2")["name"]
try:
    api.get_job("own-env-2")
except DkronException as error:
    told["gone"] = "404" in str(error)
print(json.dumps(told))
"""


DEPENDENCIES = ("click==6.7", "requests", "urllib3", "idna", "certifi", "charset-normalizer")


def environment(folder: Path, *packages: str) -> Path:
    """An environment with these packages; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--retries", "10", "--disable-pip-version-check"]
    done = subprocess.run([*command, *packages], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return python


def run(python: Path, program: str, url: str) -> dict[str, object]:
    """What a program of a client told."""
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", program, url],
        capture_output=True, text=True, timeout=90, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.timeout(400)
def test_pydkron_lists_creates_runs_toggles_and_deletes(api: Api, tmp_path: Path) -> None:
    python = environment(tmp_path / "pydkron", "pydkron==0.2.4", "six")
    assert run(python, PYDKRON, api.url) == {
        "listed": True, "run": "own-env", "toggled": True, "deleted": "own-env", "gone": True,
    }  # fmt: skip


@pytest.mark.timeout(400)
def test_dkron_lists_creates_runs_and_deletes(api: Api, tmp_path: Path) -> None:
    # The requests that it pins (2.13.0, of 2017) cannot be imported on a Python that we support; it is used with ours.
    python = environment(tmp_path / "dkron", "--no-deps", "dkron==0.0.5", *DEPENDENCIES)
    assert run(python, DKRON, api.url) == {
        "status": ["agent", "serf", "tags"], "leader": True, "members": ["n1"], "listed": True, "run": "own-env-2",
        "shown": "@every 1h", "deleted": "own-env-2", "gone": True,
    }  # fmt: skip
    tool = python.parent / "dkron-cli"
    told = subprocess.run(
        [str(tool), "get", "leader"], capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "DKRON_HOSTS": api.url, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["Tags"]["server"] == "true"
