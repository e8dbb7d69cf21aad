"""What the deployment is like right now: what the strip of every overview says, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from dkronpy.client import JobView, Status
from dkronpy.execution import Run
from dkronpy.web.board import Board
from dkronpy.web.places import job_place, node_place, place, run_place
from dkronpy.web.states import is_missed, is_trouble

LATE_MS = 5_000
"""A due time that beat has not served for so long is late."""
_MOST = 12


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of the strip: a state word of ``states`` (its tone and glyph), a label, a value and a link."""

    tone: str
    glyph: str
    label: str
    value: str
    link: str = ""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something to look at: what it is about, how it looks, a sentence, since when (ms), and where more stands.

    ``run`` is the one that went wrong, if one did.
    """

    state: str
    reason: str
    name: str
    text: str
    at_ms: int
    link: str
    run: Run | None = None


def chips(status: Status, jobs: int, off: int, running: int, failing: int) -> list[Chip]:
    """The strip, most important first."""
    alive = sum(node.alive for node in status.nodes)
    known = len(status.nodes)
    late = status.late_ms > LATE_MS
    found = [
        Chip(tone="good", glyph="✓", label="Beat", value=_short(status.leader.holder))
        if status.leader
        else Chip(tone="bad", glyph="✕", label="Beat", value="none leads"),
        Chip(tone="bad" if late else "good", glyph="!" if late else "✓", label="Late", value=_seconds(status.late_ms)),
        Chip(
            tone="good" if alive == known and alive else "bad" if not alive else "warn",
            glyph="●" if alive else "✕",
            label="Nodes",
            value=f"{alive} up" if alive == known else f"{alive} of {known} up",
            link=place("/nodes"),
        ),
        Chip(
            tone="mute", glyph="≡", label="Jobs", value=f"{jobs}, {off} off" if off else str(jobs),
            link=place("/jobs"),
        ),
        Chip(
            tone="busy" if running else "mute", glyph="▶", label="Running", value=str(running),
            link=place("/runs?state=running"),
        ),
        Chip(
            tone="bad" if failing else "good", glyph="✕" if failing else "✓", label="Failing", value=str(failing),
            link=place("/jobs?q=state:failing"),
        ),
    ]  # fmt: skip
    if status.quarantined:
        found.append(
            Chip(tone="warn", glyph="!", label="Set aside", value=str(status.quarantined), link=place("/settings"))
        )
    return found


def _short(holder: str) -> str:
    return holder.partition(":")[0]


def _seconds(ms: int) -> str:
    return "no" if ms < LATE_MS else f"{ms / 1000:.0f} s"


def troubles(status: Status, views: Mapping[str, JobView], board: Board) -> list[Trouble]:
    """What needs attention, the gravest first; at most a dozen."""
    found = []
    if status.leader is None:
        text = "Nothing is dispatched until one leads: start `dkronpy beat`, or `dkronpy up`."
        found.append(Trouble(state="down", reason="", name="no beat", text=text, at_ms=0, link=""))
    for node in status.nodes:
        if not node.alive:
            text = "Its agent does not report. What is meant for it alone waits." if node.seen_ms else "Its agent left."
            found.append(
                Trouble(
                    state="down", reason="", name=node.name, text=text, at_ms=node.seen_ms, link=node_place(node.name)
                )
            )
    digest = board.digest()
    late = {name for _, name in digest.due(status.now_ms - LATE_MS)}
    for name in late | digest.failing | digest.missed:
        trouble = _of_job(views[name], board, status.now_ms) if name in views else None
        if trouble is not None:
            found.append(trouble)
    order = {"down": 0, "late": 1}
    return sorted(found, key=lambda one: (order.get(one.state, 2), bool(one.link), -one.at_ms))[:_MOST]


def _of_job(view: JobView, board: Board, now_ms: int) -> Trouble | None:
    name, due_ms = view.job.name, view.stored.due_ms
    if not view.job.enabled:
        return None
    if due_ms is not None and now_ms - due_ms > LATE_MS:
        return Trouble(
            state="late",
            reason="",
            name=name,
            text="It is due and not dispatched yet.",
            at_ms=due_ms,
            link=job_place(name),
        )
    last = last_ended(board.recent(name))
    if last is None or not (is_trouble(last.state, last.reason) or is_missed(last.state, last.reason)):
        return None
    streak = _streak(board.recent(name))
    times = f"{streak} times in a row. " if streak > 1 else ""
    return Trouble(
        state=last.state, reason=last.reason, name=name, text=times + (last.message or ""),
        at_ms=last.finished_ms or last.due_ms, link=run_place(last.id), run=last,
    )  # fmt: skip


def last_ended(runs: Sequence[Run]) -> Run | None:
    """The newest run that is over."""
    return next((run for run in runs if run.terminal), None)


def _streak(runs: Sequence[Run]) -> int:
    """How many of the newest runs that are over ended badly, without one that did not."""
    count = 0
    for run in runs:
        if not run.terminal:
            continue
        if not is_trouble(run.state, run.reason):
            break
        count += 1
    return count
