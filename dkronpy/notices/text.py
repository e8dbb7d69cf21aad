"""What people read: a notice in a few lines, several of them together, and a storm as one message."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from dkronpy.plugins.notifier import Message, Notice
from dkronpy.schedule.durations import format_duration

STORM = 20
"""More notices than these at once are counted, not told one by one."""
_WORDS = {
    "failure": "failed", "recovery": "recovered", "success": "succeeded", "missed": "missed", "lost": "lost",
    "deadline": "late for their deadline", "stale": "stale", "slow": "slow", "late": "started late",
    "paused": "paused", "reminder": "still failing", "started": "started", "ended": "ended",
}  # fmt: skip


def message_of(channel: str, notices: Sequence[Notice], *, total: int = 0) -> Message:
    """The message that tells of *notices*, which are all or the first of *total*."""
    total = max(total, len(notices))
    key = "\n".join([channel, str(total), notices[0].id, notices[-1].id])
    subject, text = _one(notices[0]) if total == 1 else _several(notices, total)
    return Message(
        id=hashlib.sha256(key.encode()).hexdigest()[:32], channel=channel, subject=subject, text=text,
        notices=tuple(notices),
    )  # fmt: skip


def _one(notice: Notice) -> tuple[str, str]:
    return notice.headline, "\n".join(_lines(notice))


def _several(notices: Sequence[Notice], total: int) -> tuple[str, str]:
    if total <= STORM:
        counted = Counter(notice.event for notice in notices)
        jobs = list(dict.fromkeys(notice.job for notice in notices))
        subject = f"{_counted(counted)}: {', '.join(jobs)}"
        return subject[:200], "\n\n".join("\n".join([notice.headline, *_lines(notice)[1:]]) for notice in notices)
    counted = Counter(notice.event for notice in notices)
    reasons = Counter(notice.reason for notice in notices if notice.reason)
    lines = [f"{total} things happened at once: {_counted(counted)}."]
    if reasons:
        lines.append("Reasons: " + ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) + ".")
    lines.append("")
    lines += [f"- {notice.headline}" for notice in notices[:STORM]]
    lines.append(f"... and {total - STORM} more: dkronpy runs list")
    return f"{total} notices: {_counted(counted)}"[:200], "\n".join(lines)


def _counted(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {_WORDS.get(event, event)}" for event, count in counted.most_common())


def _lines(notice: Notice) -> list[str]:
    """What, where, why, since when, how often, what to do: a line each, where there is something to say."""
    facts = [
        ("Job", f"{notice.job} ({notice.display_name})" if notice.display_name else notice.job),
        ("Run", notice.run_id),
        ("Where", ", ".join(notice.nodes)),
        ("Due", _moment(notice.due)),
        ("Took", _took(notice)),
        ("Why", notice.why),
        ("Since", f"{_moment(notice.since)}, {_times(notice)}" if notice.times > 1 else ""),
        ("Owner", " ".join(filter(None, [notice.owner, notice.owner_email]))),
        ("Look", notice.url),
        ("Do", notice.command),
    ]
    lines = [notice.headline, "", *(f"{name + ':':<7}{value}" for name, value in facts if value)]
    if notice.output:
        lines += ["", "The last lines of its output:", *(f"    {line}" for line in notice.output.split("\n"))]
    return lines


def _times(notice: Notice) -> str:
    return f"{notice.times} times in a row"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _took(notice: Notice) -> str:
    if notice.started is None or notice.finished is None:
        return ""
    took = notice.finished - notice.started
    return format_duration(took) if took.total_seconds() >= 10 else f"{took.total_seconds():.2f} s"
