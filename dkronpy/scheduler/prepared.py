"""What beat has made ready for due times that are ahead: when they come, it only has to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dkronpy.node import Node
from dkronpy.scheduler.known import Known
from dkronpy.scheduler.succession import Succession
from dkronpy.store.plans import Firing, packed
from dkronpy.store.redbeat import ms_of

Paused = Mapping[bytes, bytes]
"""The pauses as the store has them."""

LATE_MS = 500
"""How long after its due time what was made ready for it may be sent: all times in it count from the due time."""


class Prepared:
    """The firings of one shard, each as it is to be at its due time.

    Each is good for that due time alone and for a short while after it, and only as long as nodes and pauses are those
    that it was made with. A definition that has changed meanwhile is found out by the commit, as ever.
    """

    def __init__(self) -> None:
        self._basis: object = None
        self._firings: dict[bytes, tuple[float, int, Firing]] = {}

    def begin(self, paused: Paused, nodes: Sequence[Node], soon: Iterable[tuple[bytes, float]]) -> None:
        """Keep what was made before for what is due *soon*, where it rests on the same pauses and nodes."""
        self.look(paused, nodes)
        known, self._basis = self._firings, _basis(paused, nodes)
        self._firings = {
            entry: known[entry] for entry, score in soon if entry in known and known[entry][0] == score
        }  # fmt: skip

    def __contains__(self, entry: bytes) -> bool:
        return entry in self._firings

    def add(self, entry: bytes, score: float, firing: Firing) -> None:
        """One more. It is no good any more when the due time after it has come: then others have a say."""
        good_until = ms_of(score) + LATE_MS
        if firing.following:
            good_until = min(good_until, ms_of(float(firing.following)) - 1)
        self._firings[entry] = score, good_until, packed(firing)

    def look(self, paused: Paused, nodes: Sequence[Node]) -> None:
        """Before anything is taken: nothing counts where it rests on other pauses or nodes than there are now."""
        if self._firings and _basis(paused, nodes) != self._basis:
            self._firings = {}

    def take(self, entry: bytes, score: float, now_ms: int) -> Firing | None:
        """What was made ready for this due time, once; None where nothing was, or it is too late for that."""
        made, good_until, firing = self._firings.pop(entry, _NOTHING)
        return firing if made == score and now_ms <= good_until else None


_NOTHING: tuple[float, int, Firing | None] = (0.0, 0, None)


def _basis(paused: Paused, nodes: Sequence[Node]) -> object:
    return paused, [(node.name, node.alive, node.drained, node.tags) for node in nodes]


def foreseeable(known: Known) -> bool:
    """Whether what becomes of the next due time can be told now: not where it hangs on how busy nodes are then."""
    target, schedule = known.job.on, known.schedule
    return (
        known.job.enabled
        and type(schedule) is not Succession
        and schedule.grace is None
        and not target.where
        and target.strategy != "least_busy"
    )
