"""A connection on which the next request is sent while the server works on those before it."""

from __future__ import annotations

from collections import deque
from typing import Any

import redis

from dkronpy.store.confirm import refusal


class Line:
    """Requests and answers in the same order, on a connection that it has from the first request until it is closed.

    redis-py's connection errors pass through; an error that the server answers is given back as a value.
    """

    def __init__(self, client: Any) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None
        self._owed = 0

    def send(self, *commands: tuple[Any, ...]) -> None:
        """Send commands; each has an answer."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._owed += len(commands)
        # a health check would take the next answer for its own
        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)

    def receive(self) -> Any:
        """The answer to the oldest command that has none yet."""
        try:
            answer = self._connection.read_response()
        except redis.ResponseError as error:
            answer = error
        self._owed -= 1
        return answer

    def close(self) -> None:
        """Give the connection back. One on which an answer is still to come is closed: nobody else may get that."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._owed:
            connection.disconnect()
        self._owed = 0
        self._pool.release(connection)


class StepLine:
    """Calls of one of the steps on a line."""

    def __init__(self, script: Any, prefixes: tuple[str, str]) -> None:
        self._script = script
        self._prefixes = prefixes
        self._line = Line(script.registered_client)
        self._calls: deque[tuple[Any, ...]] = deque()

    def send(self, *args: Any) -> None:
        """Call the step with its own arguments."""
        self._line.send(("EVALSHA", self._script.sha, 1, self._prefixes[0], *self._prefixes, *args))
        self._calls.append(args)

    def receive(self) -> Any:
        """What the oldest call came to; raises what the server answered where that is an error."""
        answer, args = self._line.receive(), self._calls.popleft()
        if isinstance(answer, redis.exceptions.NoScriptError):  # a server that has just come up: redis-py loads it
            return self._script(keys=self._prefixes[:1], args=(*self._prefixes, *args))
        if isinstance(answer, Exception):
            raise refusal(answer) if isinstance(answer, redis.ResponseError) else answer
        return answer

    def close(self) -> None:
        """Let the line go."""
        self._calls.clear()
        self._line.close()
