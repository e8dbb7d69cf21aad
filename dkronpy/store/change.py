"""A change of a definition: for whom, by whom and why; and what came of it."""

from __future__ import annotations

import msgspec

from dkronpy.job import Job


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What a save did: ``created``, ``changed`` or ``unchanged``, and the revision that is in force now.

    Of a change among many also ``conflict``, since somebody else was faster, and ``cycle``, since the jobs of *ring*
    would wait for one another: then nothing was written.
    """

    what: str
    revision: int
    ring: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A definition to store: for whom, by whom and why.

    *source* owns a job that is new. With *owns* it owns it in any case, and this is what it wants it to be.
    *revision* is the one that it rests on (0: there is none); None for whatever is in force. *wish* is what the source
    would have *job* be if it did not let an operator's change stand.
    """

    job: Job
    source: str = "api"
    revision: int | None = None
    who: str = ""
    why: str = ""
    owns: bool = False
    wish: Job | None = None
