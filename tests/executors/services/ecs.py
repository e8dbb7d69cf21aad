"""ECS and CloudWatch for tests: the simulator as a process of the test, with clients to look behind its back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

from tests.executors.services.process import ServerProcess
from tests.support import ROOT

REGION = "eu-west-1"
_KEY_NAMES = ("access_key_id", "secret_access_key")
LOG_GROUP = "/ecs/reports"


class EcsServer(ServerProcess):
    """A simulator. *auth* makes it check signatures; *certificate* makes it speak TLS, to be trusted by *ca*."""

    start_timeout = 60.0  # moto is long to import on a busy machine

    def __init__(self, *, auth: bool = False, certificate: str = "", ca: str = "") -> None:
        self._auth, self._certificate, self._ca = auth, certificate, ca
        self._clients: dict[str, Any] = {}
        super().__init__()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http{'s' if self._certificate else ''}://{self.address}"

    def command(self) -> list[str | Path]:
        module = "tests.executors.services.ecs_simulator"
        return [sys.executable, "-m", module, str(self.port), *filter(None, [self._certificate])]

    def environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION}
        return {
            "PYTHONPATH": str(ROOT),
            "MOTO_PORT": str(self.port),
            **keys,
            **({"INITIAL_NO_AUTH_ACTION_COUNT": "0"} if self._auth else {}),
        }

    def client(self, service: str) -> Any:
        """A client of the test's own."""
        if service not in self._clients:
            keys = {f"aws_{name}": value for name, value in zip(_KEY_NAMES, self.keys().values(), strict=True)}
            self._clients[service] = boto3.client(
                service, endpoint_url=self.url, region_name=REGION, verify=self._ca or None, **keys
            )
        return self._clients[service]

    def keys(self) -> dict[str, str]:
        """The options for somebody who may do everything here."""
        return dict(json.loads((self.folder / "keys.json").read_text()))

    def fail(self, action: str, answer: str, times: int = 1) -> None:
        """Let the next calls of *action* fail; see the simulator's ``Faults``."""
        body = json.dumps({"action": action, "answer": answer, "times": times}).encode()
        with urlopen(Request(f"{self.url}/simulator", body)):
            pass

    def register(self, script: str, *others: dict[str, Any], family: str = "reports", **more: Any) -> str:
        """Register a definition whose container ``app`` runs *script*; its family."""
        containers = [container(script, **more), *others]
        self.client("ecs").register_task_definition(family=family, containerDefinitions=containers)
        return family

    def running(self) -> list[dict[str, Any]]:
        """The tasks of the cluster that have not stopped."""
        return [task for task in self.tasks() if task["lastStatus"] != "STOPPED"]

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks of the cluster."""
        ecs = self.client("ecs")
        arns = [arn for wanted in ("RUNNING", "STOPPED") for arn in _listed(ecs, wanted)]
        return list(ecs.describe_tasks(cluster="jobs", tasks=arns, include=["TAGS"])["tasks"]) if arns else []

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        super().stop()


def _listed(ecs: Any, wanted: str) -> list[str]:
    return list(ecs.list_tasks(cluster="jobs", desiredStatus=wanted)["taskArns"])


def container(script: str, name: str = "app", **more: Any) -> dict[str, Any]:
    """The definition of a container that runs *script*, its logs in ``LOG_GROUP``."""
    log = {"awslogs-group": LOG_GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
    return {
        "name": name,
        "image": "busybox",
        "memory": 64,
        "command": ["/bin/sh", "-c", script],
        "logConfiguration": {"logDriver": "awslogs", "options": log},
        **more,
    }
