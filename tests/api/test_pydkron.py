"""A client that was written for Dkron, unmodified, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.api.site import Api

PROGRAM = """
import json, sys
from pydkron.client import DkronClient, DkronJobNotFound

client = DkronClient([sys.argv[1]])
job = {"name": "by-pydkron", "schedule": "@every 1h", "executor": "shell", "executor_config": {"command": "true"}}
told = {"status": sorted(client.status())}
client.create_job(job)
told["listed"] = "by-pydkron" in [one["name"] for one in client.jobs()]
told["run"] = client.run_job("by-pydkron")["name"]
told["executions"] = isinstance(client.get_executions("by-pydkron"), list)
told["toggled"] = client.toggle("by-pydkron")["disabled"]
fetched = client.get_job("by-pydkron")
fetched.save()
told["saved"] = client.get_job("by-pydkron")["disabled"]
told["deleted"] = client.delete_job("by-pydkron")["name"]
told["missing"] = []
for call in (client.get_job, client.run_job, client.delete_job, client.toggle, client.get_executions):
    try:
        call("by-pydkron")
    except DkronJobNotFound:
        told["missing"].append(call.__name__)
print(json.dumps(told))
"""


def test_pydkron_finds_what_it_expects(api: Api) -> None:
    host = api.url.removeprefix("http://")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, host], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": ["agent", "serf", "tags"], "listed": True, "run": "by-pydkron", "executions": True, "toggled": True,
        "saved": True, "deleted": "by-pydkron",
        "missing": ["get_job", "run_job", "delete_job", "toggle", "get_executions"],
    }  # fmt: skip
