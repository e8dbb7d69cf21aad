"""Cursors: a list is read a page at a time, each asked for with the ``after`` of the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from litestar.params import QueryParameter

from dkronpy.api.failures import ApiError

MOST = 500
T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="At most so many.")]
After = Annotated[str, QueryParameter(max_length=500, description="The `after` of the page before.")]


def page_by_name(items: Sequence[T], name: Callable[[T], str], limit: int, after: str) -> tuple[list[T], str | None]:
    """A page of *items*, which are sorted by *name*; what comes and goes between two pages moves nothing."""
    left = [item for item in items if name(item) > after]
    page = left[:limit]
    return page, name(page[-1]) if len(left) > limit else None


def page_by_place(items: Sequence[T], name: Callable[[T], str], limit: int, after: str) -> tuple[list[T], str | None]:
    """A page of *items* in whatever order, behind the one called *after*. Raises ApiError (422) where that is gone."""
    start = 0
    if after:
        start = next((place for place, item in enumerate(items, 1) if name(item) == after), 0)
        if not start:
            raise ApiError(422, f"after: {after!r} is none of these any more", hint="begin again without it")
    page = list(items[start : start + limit])
    return page, name(page[-1]) if len(items) > start + limit else None
