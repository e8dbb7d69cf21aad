"""What a job says in words: when it is due, where it runs, what it does when things go wrong."""

from __future__ import annotations

import re

from dkronpy.job import Job
from dkronpy.schedule import Schedule, explain
from dkronpy.schedule.durations import format_duration


def in_words(job: Job, schedule: Schedule) -> str:
    """When it is due: its schedule in English, or the jobs that it follows."""
    if job.after:
        return f"After {_parents(job)}."
    return explain(schedule)


def _parents(job: Job) -> str:
    words = {"success": "succeeded", "failure": "failed", "always": "ended"}
    if isinstance(job.when, dict):
        return f" {'or' if job.join == 'any' else 'and'} ".join(
            f"{name} {words[job.condition(name)]}" for name in job.after
        )
    several = "any of " if job.join == "any" and len(job.after) > 1 else ""
    return f"{several}{_and(job.after)} {words[job.when]}"


def briefly(job: Job, schedule: Schedule, zone: str = "") -> str:
    """As ``in_words``, without the moment that an interval is counted from, nor the zone where that is *zone*."""
    words = re.sub(r", counted from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "", in_words(job, schedule))
    words = words.replace(f", {zone} time", "") if zone else words
    return words.removesuffix(".")


def where(job: Job) -> str:
    """Which nodes it wants."""
    plain, count = job.on.wanted()
    which = " with " + ", ".join(f"{tag}={value}" for tag, value in sorted(plain.items())) if plain else ""
    if job.on.nodes:
        which = (
            f" out of {', '.join(job.on.nodes)}{which}"
            if count is not None
            else f" of {', '.join(job.on.nodes)}{which}"
        )
    which += f" but {', '.join(job.on.exclude)}" if job.on.exclude else ""
    which += f" where {job.on.where}" if job.on.where else ""
    which += f", {_STRATEGIES[job.on.strategy]}" if count is not None and job.on.strategy in _STRATEGIES else ""
    which += f", {job.on.rolling} at a time" if job.on.rolling else ""
    which += ", also when it returns" if job.on.make_up else ""
    if count is None:
        return f"every node{which}"
    return f"any node{which}" if count == 1 else f"any {count} nodes{which}"


def policies(job: Job) -> list[tuple[str, str]]:
    """What it does about time, trouble and overlap, as pairs of label and text."""
    retry = "none" if not job.retry.max else f"up to {job.retry.max} more attempts"
    retry += f" after {', '.join(job.retry.on)}" if job.retry.max and job.retry.on else ""
    retry += ", on another node" if job.retry.max and job.retry.elsewhere else ""
    found = [
        ("Where", where(job)),
        ("Timeout", format_duration(job.timeout) if job.timeout else "none"),
        ("Retry", retry),
        ("Overlap", _overlap(job)),
        ("Missed", _CATCH_UP[job.catch_up]),
        ("Delivery", job.delivery.replace("_", " ")),
    ]
    if job.start_deadline:
        found.append(("Start within", format_duration(job.start_deadline)))
    if job.owner or job.owner_email:
        found.append(("Owner", " ".join(part for part in (job.owner, job.owner_email) if part)))
    if job.metadata:
        found.append(("Labels", ", ".join(f"{key}={value}" for key, value in sorted(job.metadata.items()))))
    return found


def _overlap(job: Job) -> str:
    if job.concurrency in ("allow", ""):
        said = "allowed"
    else:
        who = f"{job.max_active} others are" if (job.max_active or 1) > 1 else "another run is"
        said = f"{_POLICIES[job.concurrency]} while {who} active"
        said += f", for each {job.concurrency_key}" if job.concurrency_key else ""
    said += f", slots of {', '.join(f'{name} ({slots})' for name, slots in job.pools.items())}" if job.pools else ""
    said += f", at most {job.rate}" if job.rate else ""
    return said + (f", priority {job.priority}" if job.priority else "")


_POLICIES = {
    "forbid": "skipped",
    "queue_one": "one waits",
    "queue_all": "waits",
    "cancel": "cancels the earlier one",
    "terminate": "ends the earlier one at once",
}
_STRATEGIES = {
    "least_busy": "the least busy first",
    "sticky": "the same as before while it is alive",
    "spread": "in turn",
}
_CATCH_UP = {
    "none": "not made up for",
    "latest": "the latest is made up for",
    "all": "every one is made up for",
}


def _and(parts: tuple[str, ...]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
