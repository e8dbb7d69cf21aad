"""A plan for people and for programs: what changes, what that means in time, what deserves a second look."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dkronpy.clock import iso_ms
from dkronpy.fleet.plan import FleetPlan, JobPlan
from dkronpy.fleet.times import Peak, TimeChange
from dkronpy.fleet.warnings import Doubt
from dkronpy.job.diff import FieldChange

Moment = Callable[[int], str]
"""How a moment in ms is said."""
_LONGEST = 70
_SHOWN = 3
_MARKS = {"added": "+", "changed": "~", "removed": "-", "foreign": "!"}
_WORDS = {"added": "new", "changed": "changed", "removed": "not in the configuration", "foreign": "another source's"}


def change_lines(changes: Sequence[FieldChange], indent: str = "") -> list[str]:
    """``schedule  30 2 * * *  ->  30 3 * * *``, a line for each field, the names aligned."""
    width = max((len(change.field) for change in changes), default=0)
    return [f"{indent}{change.field:{width}}  {_said(change.old)}  ->  {_said(change.new)}" for change in changes]


def job_lines(
    plan: FleetPlan, times: Sequence[TimeChange], *, prune: bool, moment: Moment, ago: Moment
) -> Iterator[str]:
    """Each job to which something happens, or has happened; unchanged ones are left out."""
    by_job = {one.job: one for one in times}
    shown = [row for row in plan.jobs if row.what != "unchanged" or row.drift]
    width = max((len(row.name) for row in shown), default=0)
    for row in shown:
        yield from _job(row, width, prune=prune)
        yield from change_lines(row.changes, "      ")
        if row.spread is not None and row.what in ("added", "changed"):
            yield f"      spread: {row.spread.sentence()}"
        if row.drift is not None:
            why = f': "{row.drift.why}"' if row.drift.why else ""
            fate = "stays" if row.drift.kept else "is undone" if row.what == "changed" else "is as configured"
            fields = ", ".join(change.field for change in row.drift.changes)
            yield f"      drift: {fields} changed by {row.drift.who or 'somebody'} {ago(row.drift.at_ms)}{why} ({fate})"
        if row.name in by_job:
            yield from ("      " + line for line in time_lines(by_job[row.name], moment))


def _job(row: JobPlan, width: int, *, prune: bool) -> Iterator[str]:
    mark, word = _MARKS.get(row.what, " "), _WORDS.get(row.what, "as configured")
    if row.what == "removed":
        word += ", is deleted" if prune else ", stays without --prune"
    elif row.what == "foreign":
        word = f"belongs to {row.owner!r} and is another job; --take-over makes it this one"
    elif row.moved:
        word = f"was {row.moved}, whose history it keeps"
    elif row.owner and row.what == "changed":
        word = f"taken over from {row.owner!r}"
    yield f"  {mark} {row.name:{width}}  {word}{f'  {row.origin}' if row.origin else ''}"


def time_lines(change: TimeChange, moment: Moment) -> Iterator[str]:
    """``due  moves  Tue 24 Nov 02:30 -> Tue 24 Nov 03:30, and 2 more``."""
    if change.moves:
        yield "due times move: " + _few([f"{moment(old)} -> {moment(new)}" for old, new in change.moves])
    if change.appears:
        yield "due times appear: " + _few([moment(ms) for ms in change.appears])
    if change.vanishes:
        yield "due times vanish: " + _few([moment(ms) for ms in change.vanishes])


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f", and {more:,} more" if more > 0 else "")


def peak_lines(peaks: Sequence[Peak], moment: Moment) -> Iterator[str]:
    """The fullest minute of the next day for each kind of target that changes."""
    for peak in peaks:
        if peak.before == peak.after and peak.before_ms == peak.after_ms:
            continue
        at = moment(peak.after_ms or peak.before_ms)
        yield f"  peak for {peak.target}: {peak.before} -> {peak.after} runs in a minute, {at}"


def summary(plan: FleetPlan, *, prune: bool) -> str:
    """``1 to add, 1 to change, 1 to delete (needs --prune), 8 unchanged; 2 jobs of other sources left alone``."""
    counts = [(len(plan.those("added")), "to add"), (len(plan.those("changed")), "to change")]
    gone = len(plan.those("removed"))
    parts = [f"{count} {word}" for count, word in counts if count]
    if gone:
        parts.append(f"{gone} to delete" + ("" if prune else " (needs --prune)"))
    parts.append(f"{len(plan.those('unchanged'))} unchanged")
    if foreign := len(plan.those("foreign")):
        parts.append(f"{foreign} refused")
    others = f"; {plan.others} jobs of other sources left alone" if plan.others else ""
    return ", ".join(parts) + others


def document(
    plan: FleetPlan,
    times: Sequence[TimeChange],
    peaks: Sequence[Peak],
    warnings: Sequence[Doubt],
    *,
    prune: bool,
) -> dict[str, Any]:
    """The plan as JSON: its names are a promise."""
    return {
        "source": plan.source,
        "plan": plan.id,
        "changes": plan.pending(prune=prune),
        "jobs": [_job_document(row) for row in plan.jobs if row.what != "unchanged" or row.drift],
        "unchanged": len(plan.those("unchanged")),
        "others": plan.others,
        "due_times": [
            {
                "job": one.job,
                "appear": [iso_ms(ms) for ms in one.appears],
                "vanish": [iso_ms(ms) for ms in one.vanishes],
                "move": [{"from": iso_ms(old), "to": iso_ms(new)} for old, new in one.moves],
                "until": iso_ms(one.until_ms),
            }
            for one in times
        ],
        "peaks": [
            {
                "target": one.target,
                "before": one.before,
                "before_at": iso_ms(one.before_ms) if one.before else None,
                "after": one.after,
                "after_at": iso_ms(one.after_ms) if one.after else None,
            }
            for one in peaks
        ],
        "warnings": [{"job": one.job, "message": one.message} for one in warnings],
    }


def _job_document(row: JobPlan) -> dict[str, Any]:
    drift = row.drift
    return {
        "job": row.name,
        "what": row.what,
        "origin": row.origin,
        "owner": row.owner,
        "moved": row.moved or None,
        "revision": row.revision,
        "changes": _changes(row.changes),
        "spread": None
        if row.spread is None
        else {"by": row.spread.by_ms // 1000, "peak": row.spread.peak, "before": row.spread.before},
        "drift": None
        if drift is None
        else {
            "changes": _changes(drift.changes), "who": drift.who, "at": iso_ms(drift.at_ms), "why": drift.why,
            "kept": drift.kept,
        },
    }  # fmt: skip


def _changes(changes: Sequence[FieldChange]) -> list[dict[str, Any]]:
    return [{"field": one.field, "old": one.old, "new": one.new} for one in changes]


def _said(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(character if character.isprintable() else " " for character in text).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
