"""What all pages of one job share: its state, what may be done to it, when it is due next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from dkronpy.client import JobView
from dkronpy.clock import from_ms
from dkronpy.execution import Run
from dkronpy.job.json import encode_job
from dkronpy.schedule import Schedule, dst_notes
from dkronpy.web.door import AnyRequest
from dkronpy.web.sentences import in_words
from dkronpy.web.site import Viewer, site_of, viewer_of
from dkronpy.web.states import job_state

LENGTHS = (
    ("", "until somebody resumes"), ("1", "for an hour"), ("4", "for 4 hours"), ("24", "for a day"),
    ("168", "for a week"),
)  # fmt: skip
"""How long a pause lasts, in hours as a form sends them, and in words."""
OURS = frozenset({"", "api", "restore"})
"""The sources of jobs that people save here or over the API; any other is a configuration."""
_STATE_FIELDS = ("success_count", "error_count", "last_success", "last_error", "status", "next", "id", "dependent_jobs")


def head(request: AnyRequest, name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """The values of the head of a page. *runs* are the job's newest. Raises NotFoundError."""
    site, viewer = site_of(request), viewer_of(request)
    view = site.client.job(name)
    return {
        "view": view,
        "state": job_state(view, runs[0] if runs else None),
        "words": in_words(view.job, view.stored.schedule()),
        "managed": is_managed(view),
        "pause": site.client.maintenance.of_job(view.job),
        "lengths": LENGTHS,
        "followers": [one for one in view.state.dependent_jobs if viewer.sees(one)],
    }


def is_managed(view: JobView) -> bool:
    """Whether a configuration owns the job, which would bring back what is changed or deleted here."""
    return view.stored.source not in OURS


def definition_of(view: JobView) -> str:
    """The definition as JSON, without what happened to the job so far."""
    document = encode_job(view.job, view.state)
    kept = {
        name: value
        for name, value in document.items()
        if name not in _STATE_FIELDS and value not in (None, "", {}, [], False)
    }
    return json.dumps(kept, indent=2, ensure_ascii=False)


def next_due(schedule: Schedule, after: int, most: int) -> list[int]:
    """The next due times, in ms."""
    found: list[int] = []
    while len(found) < most and (due := schedule.next_ms(after)) is not None:
        found.append(due)
        after = due
    return found


def notes_of(view: JobView, viewer: Viewer, months: int) -> list[tuple[date, str]]:
    """The clock changes of the coming months that touch it."""
    return dst_notes(view.stored.schedule(), from_ms(viewer.now_ms), months)
