"""A step counts once replicas have it, where a deployment asks for that: what a failover forgets was never answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

WAIT_MS = 2000
"""How long a step waits for the replicas; less than a client waits for an answer."""
REFUSED = "NOREPLICAS"
"""What a server answers to writes when fewer replicas are there than its ``min-replicas-to-write``."""


class NotReplicatedError(redis.TimeoutError):
    """Something was written, and too few replicas have it yet; ``answer`` is what it came to where it is kept.

    *error* is what kept the server from asking them, such as that it is full.
    """

    def __init__(self, had: int, wanted: int, answer: Any, error: Exception | None = None) -> None:
        why = "" if error is None else f": {error}"
        super().__init__(f"{had} of {wanted} replicas have what was recorded{why}")
        self.answer = answer


class TooFewReplicasError(redis.ConnectionError):
    """The server takes nothing, since it has too few replicas to give it to."""


def refusal(error: redis.ResponseError) -> redis.RedisError:
    """*error*, or that of a server that is away for now where it says that its replicas are."""
    return TooFewReplicasError(str(error)) if str(error).startswith(REFUSED) else error


@dataclass(frozen=True)
class Replicas:
    """The replicas of a store that have to know: how many, and the key that is written after what they have to know."""

    client: Any
    mark: str
    wanted: int

    def confirm(self) -> None:
        """Return once they have all that was written so far. Raises NotReplicatedError."""
        if self.wanted:
            with self.client.pipeline(transaction=False) as pipe:
                self._await(pipe, None)

    def step(self, script: Any, key: str, args: tuple[Any, ...]) -> Any:
        """The answer of a step, once they have it. Raises NotReplicatedError, and what the server answered to it."""
        with self.client.pipeline(transaction=False) as pipe:
            script(keys=(key,), args=args, client=pipe)
            return self._await(pipe, 0)

    def _await(self, pipe: Any, kept: int | None) -> Any:
        # WAIT looks at what its own connection wrote last, and a step may have found nothing left to write: whoever
        # has the mark has all before it.
        pipe.set(self.mark, 1)
        pipe.wait(self.wanted, WAIT_MS)
        *steps, marked, had = pipe.execute(raise_on_error=False)
        answer = None if kept is None else steps[kept]
        if isinstance(answer, redis.ResponseError):
            raise refusal(answer)
        if isinstance(answer, Exception):
            raise answer
        # The step has been done, whatever the server says to what follows: it may have filled it.
        for error in (marked, had):
            if isinstance(error, Exception):
                raise NotReplicatedError(0, self.wanted, answer, error) from error
        if had < self.wanted:
            raise NotReplicatedError(had, self.wanted, answer)
        return answer
