"""What the search field understands: ``state:failed owner:bi tag:web`` and plain text, all of which must fit."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.web.states import job_state, look

QUALIFIERS = ("state", "owner", "tag", "node", "executor", "source", "label")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A search in parts, lower case."""

    texts: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()


def read_query(text: str) -> Query:
    """The parts of what somebody typed; an unknown qualifier counts as text."""
    texts, parts = [], []
    for word in text.lower().split()[:20]:
        name, colon, value = word.partition(":")
        if colon and value and name in QUALIFIERS:
            parts.append((name, value))
        else:
            texts.append(word)
    return Query(texts=tuple(texts), parts=tuple(parts))


def fits(query: Query, view: JobView, last: Run | None) -> bool:
    """Whether a job is one of those that are looked for."""
    job = view.job
    if query.texts:
        hay = f"{job.name} {job.display_name} {job.doc} {job.owner} {job.schedule}".lower()
        if not all(text in hay for text in query.texts):
            return False
    return all(_PARTS[name](view, last, value) for name, value in query.parts)


def _state(view: JobView, last: Run | None, value: str) -> bool:
    state, reason = job_state(view, last)
    if value == "failing":
        return look(state, reason).tone == "bad"
    return value in (state, look(state, reason).word.replace(" ", "_"), "enabled" if view.job.enabled else "")


def _pairs(pairs: dict[str, str], value: str) -> bool:
    wanted, equals, right = value.partition("=")
    return any(wanted in key.lower() and (not equals or right in text.lower()) for key, text in pairs.items()) or any(
        not equals and wanted in text.lower() for text in pairs.values()
    )


_PARTS: dict[str, Callable[[JobView, Run | None, str], bool]] = {
    "state": _state,
    "owner": lambda view, _, value: value in view.job.owner.lower(),
    "tag": lambda view, _, value: _pairs(view.job.on.tags, value),
    "node": lambda view, _, value: value in view.job.on.nodes,
    "executor": lambda view, _, value: value == view.job.executor,
    "source": lambda view, _, value: value in view.stored.source.lower(),
    "label": lambda view, _, value: _pairs(view.job.metadata, value),
}
