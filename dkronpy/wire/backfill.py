"""Making up for due times of the past, as JSON: what is asked for, what it needs, how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec


class Window(msgspec.Struct, kw_only=True):
    """Due times after ``start`` up to ``end`` to make up for; ``dry_run`` only counts them.

    ``forgotten`` includes those that lie so far back that nobody knows whether they ran.
    """

    start: Annotated[datetime, msgspec.Meta(examples=["2026-11-01T00:00:00Z"])]
    end: Annotated[datetime, msgspec.Meta(examples=["2026-11-02T00:00:00Z"])]
    max_active: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    forgotten: bool = False
    dry_run: bool = False


class BackfillOut(msgspec.Struct, kw_only=True):
    """What a window needs: due times to make up for, those that have a success, and those that may yet get one."""

    job: str
    due: int
    done: int
    running: int
    notes: list[str]
