"""Amazon ECS for tests, as a process: moto's API, and behind it tasks that really run, with exit codes and logs.

``python -m tests.executors.services.ecs_simulator PORT [CERTIFICATE]``. moto answers as AWS does and runs nothing;
this runs the command of every container as a process, writes what it prints to moto's CloudWatch logs, and tells
moto how it ended. ``POST /simulator`` with ``{"action", "answer", "times"}`` makes the next calls fail; see ``Faults``.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecs.models import Container, Task, ecs_backends
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from dkronpy.clock import SystemClock, from_ms

ACCOUNT, REGION = "123456789012", "eu-west-1"
_SIGNALLED = 128
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_CLOCK = SystemClock()
_Answer = tuple[str, list[tuple[str, str]], list[bytes]]


class Runner:
    """Runs the tasks that moto has taken."""

    def __init__(self) -> None:
        self.ecs = ecs_backends[ACCOUNT][REGION]
        self.logs = logs_backends[ACCOUNT][REGION]
        self.changing = threading.Lock()
        self._known: set[str] = set()
        self._pause = threading.Event()

    def watch(self) -> None:
        """Start what is new, for ever."""
        while not self._pause.wait(0.02):
            for tasks in list(self.ecs.tasks.values()):
                for arn, task in list(tasks.items()):
                    if arn not in self._known:
                        self._known.add(arn)
                        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: Task) -> None:
        definitions = self.ecs.describe_task_definition(task.task_definition_arn).container_definitions
        task.last_status = "PENDING"
        task.containers = [self._container(task, definition) for definition in definitions]
        if any(definition["image"].startswith("missing/") for definition in definitions):
            self._end(task, "TaskFailedToStart", "CannotPullContainerError: image missing/app:1: not found")
            return
        task.started_at = from_ms(_CLOCK.now_ms())
        task.last_status = "RUNNING"
        pairs = zip(task.containers, definitions, strict=True)
        running = [_Process(self, task, container, definition) for container, definition in pairs]
        essential = [process for process in running if process.essential]
        while all(process.runs for process in essential) and task.desired_status != "STOPPED":
            self._pause.wait(0.02)
        by_user = task.desired_status == "STOPPED"
        for process in running:
            process.finish()
        reason = "Essential container in task exited"
        self._end(task, "UserInitiated" if by_user else "EssentialContainerExited", task.stopped_reason or reason)

    def _container(self, task: Task, definition: dict[str, Any]) -> Container:
        container = Container(self.ecs.describe_task_definition(task.task_definition_arn))
        container.name, container.image, container.exitCode = definition["name"], definition["image"], None
        return container

    def _end(self, task: Task, code: str, reason: str) -> None:
        for container in task.containers:
            container.last_status = "STOPPED"
        task.stop_code, task.stopped_reason, task.stopped_at = code, reason, from_ms(_CLOCK.now_ms())
        with self.changing:
            task.desired_status = task.last_status = "STOPPED"


class _Process:
    """A container: a process whose output goes to CloudWatch."""

    def __init__(self, runner: Runner, task: Task, container: Container, definition: dict[str, Any]) -> None:
        self.essential = definition.get("essential", True)
        self._container = container
        self._grace = definition.get("stopTimeout", 30)
        overrides = (task.overrides or {}).get("containerOverrides", [])
        override = next((one for one in overrides if one["name"] == definition["name"]), {})
        given = definition.get("environment", []) + override.get("environment", [])
        command = override.get("command") or definition["command"]
        self._oom = command == ["oom"]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", "exit 137"] if self._oom else command,
            env={"PATH": os.environ["PATH"], **{entry["name"]: entry["value"] for entry in given}},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        container.last_status = "RUNNING"
        self._reader = threading.Thread(target=self._read, args=(runner, task, definition), daemon=True)
        self._reader.start()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def finish(self) -> None:
        """Stop it if it runs: TERM, and KILL after its stopTimeout."""
        if self.runs:
            self._process.terminate()
        try:
            code = self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(2)
        self._container.exitCode = _SIGNALLED - code if code < 0 else code
        if self._oom:
            self._container.reason = "OutOfMemoryError: Container killed due to memory usage"

    def _read(self, runner: Runner, task: Task, definition: dict[str, Any]) -> None:
        log = definition.get("logConfiguration", {}).get("options", {})
        group, prefix = log.get("awslogs-group"), log.get("awslogs-stream-prefix")
        stream = f"{prefix}/{definition['name']}/{task.id}"
        if group and group not in runner.logs.groups:
            runner.logs.create_log_group(group, {})
        if group:
            runner.logs.create_log_stream(group, stream)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if group:
                event = {"timestamp": _CLOCK.now_ms(), "message": line.rstrip("\n")}
                runner.logs.groups[group].put_log_events(stream, [event])


class Faults:
    """Around moto: calls that fail as they are told to, and RunTask that keeps to its ``clientToken``.

    Answers: ``lost`` (done, and then an error of the server), ``throttled``, ``denied``, ``memory`` (no place).
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._told: dict[str, list[str]] = {}
        self._answers: dict[str, tuple[Any, _Answer]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"] == "/simulator":
            told = json.loads(body)
            with self._lock:
                self._told[told["action"]] = [told["answer"]] * told["times"]
            start_response("200 OK", [])
            return [b"{}"]
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        with self._lock:
            answer = self._told[action].pop(0) if self._told.get(action) else ""
            if action != "RunTask" or answer not in ("", "lost"):
                done = None
            else:
                done = self._run_task(environ, json.loads(body))
        if answer in _FAULTS:
            return _reply(start_response, *_FAULTS[answer])
        status, headers, chunks = self._ask(environ) if done is None else done
        start_response(status, headers)
        return chunks

    def _ask(self, environ: dict[str, Any]) -> _Answer:
        """moto's answer. Where it refuses a signature it answers in XML, and with the errors of another service."""
        head: list[Any] = []
        chunks = list(self._inner(environ, lambda status, headers, *_: head.extend([status, headers])))
        found = re.search(rb"<Code>(\w+)</Code>\s*<Message>(.*?)</Message>", b"".join(chunks), re.DOTALL)
        if not head[0].startswith("403") or found is None:
            return head[0], head[1], chunks
        code, message = (part.decode() for part in found.groups())
        return _error(_REFUSALS.get(code, code), message)

    def _run_task(self, environ: dict[str, Any], asked: dict[str, Any]) -> _Answer:
        token = asked.get("clientToken", "")
        if token not in self._answers:
            answer = self._ask(environ)
            if not token or not answer[0].startswith("200"):
                return answer
            self._answers[token] = asked, answer
        before, answer = self._answers[token]
        return (
            answer if before == asked else _error("ConflictException", "the clientToken was used for another request")
        )


def _error(code: str, message: str) -> _Answer:
    body = json.dumps({"__type": code, "message": message}).encode()
    return "400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")], [body]


_REFUSALS = {
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}
_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lost": ("500 Internal Server Error", {"__type": "ServerException", "message": "it went wrong here"}),
    "throttled": ("400 Bad Request", {"__type": "ThrottlingException", "message": "Rate exceeded"}),
    "denied": ("400 Bad Request", {"__type": "AccessDeniedException", "message": "User: x is not authorized"}),
    "memory": ("200 OK", {"tasks": [], "failures": [{"arn": "arn:aws:ecs:x:1:i/a", "reason": "RESOURCE:MEMORY"}]}),
    "attribute": ("200 OK", {"tasks": [], "failures": [{"reason": "ATTRIBUTE", "detail": "no such agent"}]}),
    "unknown": ("200 OK", {"tasks": [], "failures": []}),
}


def _reply(start_response: Callable[..., Any], status: str, body: dict[str, Any]) -> list[bytes]:
    start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(body).encode()]


def _real_stop(runner: Runner) -> None:
    """moto says STOPPED as soon as a stop is asked for; a task is stopped once its containers are."""
    ecs = runner.ecs
    stop = ecs.stop_task

    def stop_task(cluster: str, task: str, reason: str) -> Any:
        with runner.changing:
            before = {arn: found.last_status for tasks in ecs.tasks.values() for arn, found in tasks.items()}
            stopped = stop(cluster, task, reason)
            stopped.last_status = before[stopped.task_arn]
        return stopped

    ecs.stop_task = stop_task


def _prepare(ecs: Any) -> None:
    """A cluster ``jobs`` with one machine, besides ``default``."""
    ecs.create_cluster("default")
    ecs.create_cluster("jobs")
    ec2 = ec2_backends[ACCOUNT][REGION]
    machines = ec2.run_instances("ami-12c6146b", 1, "", [], instance_type="t2.micro", is_instance_type_default=True)
    ecs.register_container_instance("jobs", machines.instances[0].id)


def _user() -> None:
    """Somebody who may do everything; the keys are left in ``keys.json``. They count where moto checks signatures."""
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_user(REGION, "ci")
    iam.put_user_policy("ci", "all", json.dumps({"Version": "2012-10-17", "Statement": [_ALL]}))
    key = iam.create_access_key("ci")
    Path("keys.json").write_text(json.dumps({"access_key": key.access_key_id, "secret_key": key.secret_access_key}))


def main() -> None:
    """Serve until the process is ended."""
    port, certificate = int(sys.argv[1]), next(iter(sys.argv[2:]), "")
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
    runner = Runner()
    _prepare(runner.ecs)
    _user()
    _real_stop(runner)
    threading.Thread(target=runner.watch, daemon=True).start()
    tls = (certificate, certificate) if certificate else None
    application = Faults(DomainDispatcherApplication(create_backend_app))
    make_server("127.0.0.1", port, application, True, 1, MotoRequestHandler, ssl_context=tls).serve_forever()


if __name__ == "__main__":
    main()
