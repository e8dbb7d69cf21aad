"""Runs that have ended, as beat sees them off: what it reads, what it lets go, and what must still be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from dkronpy.store.connection import Store
from dkronpy.store.ended import Ended, Seen, let_go, read_ended
from tests.model.snapshot import Snapshot

_EVER, _ALL = 10**15, 1000


class Farewells:
    """The ledger's part of seeing runs off; what follows from it is not the model's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: Sequence[Ended] = ()
        self._seen: set[tuple[str, str, int]] = set()

    def read(self) -> None:
        """A beat reads what has ended."""
        self._read = read_ended(self._store, _EVER, _ALL)

    def let_go(self) -> None:
        """It has seen to all that it read, and says so."""
        lost = [one.id for one in self._read if any(part.state == "lost" for part in one.parts)]
        let_go(self._store, [Seen(run=one, brief=one.id not in lost) for one in self._read])
        self._seen.update((one.id, one.state, one.finished_ms) for one in self._read)
        self._read = ()

    def see_off(self) -> None:
        """Both at once: nothing is left to be looked at."""
        self.read()
        self.let_go()
        left = read_ended(self._store, _EVER, _ALL)
        assert not left, f"{left[0].id} is seen off again and again"

    def check(self, shot: Snapshot) -> None:
        """Each run that has ended waits to be seen off, unless that was done after it ended so; no other does."""
        listed = set(shot.scores.get(self._store.keys.done, {}))
        ended = {run.id for run in shot.runs.values() if run.state != "running"}
        new = {run.id for run in shot.runs.values() if (run.id, run.state, run.finished_ms) not in self._seen}
        assert listed <= ended, f"{listed - ended} have not ended, and are to be seen off"
        assert ended & new <= listed, f"{(ended & new) - listed} have ended, and nobody will see them off"
