"""Which jobs a list shows, in which order, and which part of it: Dkron's query parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dkronpy.api.access import Identity
from dkronpy.api.failures import ApiError
from dkronpy.client import JobView
from dkronpy.job.json import NEVER

_METADATA = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_SortKey = Callable[[JobView], Any]


def _text(value: str) -> tuple[bool, str]:
    return (bool(value), value.lower())


def _moment(value: str | None) -> tuple[bool, str]:
    # Without the zone's letter a whole second sorts before its fractions. What is not set comes last.
    unset = value is None or value == NEVER
    return (unset, "" if unset else str(value).rstrip("Z"))


SORTS: Mapping[str, _SortKey] = {
    "id": lambda view: _text(view.job.name),
    "name": lambda view: _text(view.job.name),
    "displayname": lambda view: _text(view.job.display_name),
    "schedule": lambda view: _text(view.job.schedule),
    "success_count": lambda view: view.state.success_count,
    "error_count": lambda view: view.state.error_count,
    "last_success": lambda view: _moment(view.state.last_success),
    "last_error": lambda view: _moment(view.state.last_error),
    "next": lambda view: _moment(view.state.next),
}


_BY_NAME = frozenset({"id", "name"})


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. ``end`` is None for all; ``disabled`` and ``status`` are None where nothing is asked."""

    metadata: dict[str, str] = {}
    q: str = ""
    status: str | None = None
    disabled: str | None = None
    sort: str = "name"
    descending: bool = False
    start: int = 0
    end: int | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> JobQuery:
        """From the query string. Raises ApiError for a field that jobs are not sorted by."""
        sort = parameters.get("_sort") or "name"
        if sort not in SORTS:
            raise ApiError(400, f"_sort: jobs are not sorted by {sort!r}; accepted: {', '.join(SORTS)}")
        found = ((_METADATA.fullmatch(key), value) for key, value in parameters.items())
        return cls(
            metadata={match[1]: value for match, value in found if match},
            q=parameters.get("q", ""),
            status=parameters.get("status") or None,
            disabled=parameters.get("disabled") or None,
            sort=sort,
            descending=parameters.get("_order") == "DESC",
            start=whole(parameters.get("_start", "0")),
            end=whole(parameters["_end"]) if "_end" in parameters else None,
        )

    @property
    def selective(self) -> bool:
        """Whether it asks for some jobs only."""
        return bool(self.metadata or self.q or self.status or self.disabled)

    def matches(self, view: JobView) -> bool:
        """Whether a job is asked for."""
        job = view.job
        if any(job.metadata.get(key) != value for key, value in self.metadata.items()):
            return False
        if self.q not in job.name and self.q not in job.display_name:
            return False
        if self.status is not None and view.state.status != ("" if self.status == "untriggered" else self.status):
            return False
        return self.disabled is None or self.disabled == ("false" if job.enabled else "true")

    def page(self, rows: list[Any]) -> list[Any]:
        """The part that is asked for; nothing where the bounds make no sense."""
        end = len(rows) if self.end is None else min(self.end, len(rows))
        return rows[self.start : end] if 0 <= self.start <= end else []


def whole(text: str) -> int:
    """A number out of a query string; 0 for anything else."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else 0


def find_jobs(views: list[JobView], identity: Identity, query: JobQuery) -> tuple[list[JobView], int]:
    """The page of *views* (all jobs, by name), and how many match in all."""
    found = [view for view in views if identity.sees(view.job.name)] if identity.jobs else list(views)
    if query.selective:
        found = [view for view in found if query.matches(view)]
    if query.descending or query.sort not in _BY_NAME:  # they come by name
        found.sort(key=SORTS[query.sort], reverse=query.descending)
    return query.page(found), len(found)
