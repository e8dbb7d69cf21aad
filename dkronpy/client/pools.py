"""Pools: named sets of slots that runs of several jobs share."""

from __future__ import annotations

import msgspec

from dkronpy.deployment import Deployment
from dkronpy.errors import ConflictError, InvalidError, NotFoundError, Problem

MOST_SLOTS = 1_000_000
LONGEST_NAME = 100


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool: its size, the slots that each run in it holds, and who waits for it, in the order of their turns."""

    name: str
    slots: int
    runs: dict[str, int] = {}
    waiting: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        """How many slots are taken; more than there are where the pool was made smaller."""
        return sum(self.runs.values())


class Pools:
    """The pools of a deployment. Every method raises StoreUnavailableError when the store is away."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def all(self) -> list[Pool]:
        """Every pool, by name."""
        store = self.deployment.store
        keys, client = store.keys, store.client
        with store.errors():
            sizes = {name.decode(): int(slots) for name, slots in client.hgetall(keys.pools).items()}
            with client.pipeline(transaction=False) as pipe:
                for name in sorted(sizes):
                    pipe.hgetall(keys.pool(name))
                    pipe.zrange(keys.waiting(f"pool:{name}"), 0, -1)
                rows = pipe.execute()
        return [
            Pool(
                name=name,
                slots=sizes[name],
                runs={run.decode(): int(slots) for run, slots in held.items()},
                waiting=tuple(run.decode() for run in queue),
            )
            for name, held, queue in zip(sorted(sizes), rows[::2], rows[1::2], strict=True)
        ]

    def set(self, name: str, slots: int) -> None:
        """Make a pool or change its size; who has room now is let in. Raises InvalidError."""
        problem = _name_problem(name)
        if problem is not None:
            raise InvalidError("pool", [problem])
        if not 1 <= slots <= MOST_SLOTS:
            raise InvalidError(name, [Problem("slots", slots, f"{slots} is not a number from 1 to {MOST_SLOTS:,}")])
        with self.deployment.store.errors():
            self.deployment.store.scripts.call("pool", name, slots)

    def delete(self, name: str) -> None:
        """Take a pool away. Raises NotFoundError, ConflictError while a job needs it."""
        with self.deployment.store.errors():
            needed = [stored.job.name for stored in self.deployment.jobs.all() if name in stored.job.pools]
            if needed:
                raise ConflictError(f"pool {name!r} is needed by {', '.join(needed)}", hint="change these jobs first")
            if not self.deployment.store.scripts.call("pool", name, ""):
                raise NotFoundError(f"there is no pool {name!r}", hint="`dkronpy pool list` names them all")


def _name_problem(name: str) -> Problem | None:
    if name and len(name) <= LONGEST_NAME and name.isprintable() and not any(map(str.isspace, name)):
        return None
    return Problem("name", name, f"{name!r} is not a name of up to {LONGEST_NAME} printable characters without blanks")
