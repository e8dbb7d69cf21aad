"""How states look: a glyph, a word and a colour, so that none of them has to be guessed from the others."""

from __future__ import annotations

import msgspec

from dkronpy.client import JobView
from dkronpy.execution import REASONS, Run


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A glyph, a word, and the class that gives the colour."""

    glyph: str
    word: str
    tone: str
    title: str = ""


_STATES = {
    "success": Look(glyph="✓", word="success", tone="good"),
    "failed": Look(glyph="✕", word="failed", tone="bad"),
    "partially_failed": Look(glyph="◐", word="partly failed", tone="bad"),
    "running": Look(glyph="▶", word="running", tone="busy"),
    "queued": Look(glyph="○", word="queued", tone="busy"),
    "retry_wait": Look(glyph="↻", word="waits to retry", tone="warn"),
    "skipped": Look(glyph="↷", word="skipped", tone="mute"),
    "lost": Look(glyph="?", word="lost", tone="warn"),
    "planned": Look(glyph="◌", word="planned", tone="mute"),
    "disabled": Look(glyph="‖", word="disabled", tone="mute"),
    "paused": Look(glyph="‖", word="paused", tone="warn"),
    "never": Look(glyph="·", word="never ran", tone="mute"),
    "late": Look(glyph="!", word="late", tone="warn"),
    "homeless": Look(glyph="!", word="no node", tone="warn"),
    "up": Look(glyph="●", word="up", tone="good"),
    "active": Look(glyph="●", word="active", tone="good"),
    "expired": Look(glyph="⊘", word="expired", tone="mute"),
    "revoked": Look(glyph="⊘", word="revoked", tone="mute"),
    "drained": Look(glyph="‖", word="drained", tone="warn"),
    "down": Look(glyph="✕", word="down", tone="bad"),
}
_REASONS = {
    "timeout": Look(glyph="✕", word="timed out", tone="bad"),
    "cancelled": Look(glyph="⊘", word="cancelled", tone="mute"),
    "misfire_late": Look(glyph="!", word="missed", tone="warn"),
    "misfire_collapsed": Look(glyph="!", word="missed", tone="warn"),
    "no_live_node": Look(glyph="!", word="missed", tone="warn"),
    "not_started_in_deadline": Look(glyph="!", word="missed", tone="warn"),
}
_TROUBLE = {"failed", "partially_failed", "lost"}


def look(state: str, reason: str = "") -> Look:
    """How a state looks; its reason may say more than the state does."""
    found = _REASONS.get(reason) if state in {"failed", "skipped"} else None
    found = found or _STATES.get(state) or Look(glyph="·", word=state.replace("_", " ") or "unknown", tone="mute")
    return msgspec.structs.replace(found, title=REASONS.get(reason, "")) if reason else found


def job_state(view: JobView, last: Run | None) -> tuple[str, str]:
    """The state of a job in one word, and its reason: disabled, running, or how its last run ended."""
    if not view.job.enabled:
        return "disabled", ""
    if last is not None:
        return last.state, last.reason
    return view.state.status or "never", ""


def is_trouble(state: str, reason: str = "") -> bool:
    """Whether somebody should look at it."""
    return state in _TROUBLE and reason != "cancelled"


def is_missed(state: str, reason: str) -> bool:
    """Whether a due time went by because nothing was there to serve it."""
    return state == "skipped" and look(state, reason).word == "missed"
