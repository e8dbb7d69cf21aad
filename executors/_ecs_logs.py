"""Reads the CloudWatch logs of a task as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ._ecs_clients import Aws

_PAGES = 50


class TaskLogs:
    """The log streams of the containers of one task; lines of several containers begin with the name of theirs."""

    def __init__(self, aws: Aws, definition: dict[str, Any], task: str, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._told = False
        self._streams = list(_streams(aws, definition, task))

    def read(self) -> bool:
        """Hand on what is new; whether there was anything.

        An outage is passed over: what was not read now is read next time. A refusal is told once, in the output.
        """
        found = False
        with self._lock:
            for stream in self._streams:
                try:
                    found = self._read(stream) or found
                except ClientError as error:
                    told = error.response.get("Error", {})
                    if told.get("Code") not in ("ResourceNotFoundException", "ThrottlingException"):
                        self._tell(f"{told.get('Code')}: {told.get('Message')}")
                except BotoCoreError:
                    continue
        return found

    def _read(self, stream: _Stream) -> bool:
        found = False
        for _ in range(_PAGES):
            events, token = stream.page()
            for event in events:
                self._write(stream.line(event["message"], named=len(self._streams) > 1))
                found = True
            # A page may be empty though there are more; only a token that stays the same is the end.
            if token == stream.token:
                break
            stream.token = token
        return found

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._write(f"ecs: the logs cannot be read: {why}\n".encode())


class _Stream:
    def __init__(self, client: Any, container: str, group: str, name: str) -> None:
        self._client, self._container, self._group, self._name = client, container, group, name
        self.token = ""

    def page(self) -> tuple[list[dict[str, Any]], str]:
        """The next events, and the token for those that follow."""
        after = {"nextToken": self.token} if self.token else {}
        answer = self._client.get_log_events(
            logGroupName=self._group, logStreamName=self._name, startFromHead=True, **after
        )
        return answer["events"], answer["nextForwardToken"]

    def line(self, message: str, *, named: bool) -> bytes:
        """A line of output."""
        return (f"{self._container} | {message}\n" if named else f"{message}\n").encode()


def _streams(aws: Aws, definition: dict[str, Any], task: str) -> list[_Stream]:
    streams = []
    for container in definition["containerDefinitions"]:
        log = container.get("logConfiguration") or {}
        given = log.get("options") or {}
        group, prefix = given.get("awslogs-group"), given.get("awslogs-stream-prefix")
        if log.get("logDriver") == "awslogs" and group and prefix:
            client = aws.logs(given.get("awslogs-region") or aws.region)
            name = f"{prefix}/{container['name']}/{task.rpartition('/')[2]}"
            streams.append(_Stream(client, container["name"], group, name))
    return streams
