"""Our own routes for the revisions of a job: what they were, what differs between two, going back to one."""

from __future__ import annotations

from typing import Annotated

from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_place
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.pause import is_paused
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.job.diff import FieldChange
from dkronpy.store.jobs import Saved
from dkronpy.store.revisions import Revision
from dkronpy.wire.jobs import RevisionList, revision_out

_PATH = "/api/v1/jobs/{job:str}"
_Number = Annotated[int | None, QueryParameter(ge=1, description="The number of a revision.")]


@route("GET", f"{_PATH}/revisions", action="read", tags=["jobs"])
def revisions(request: AnyRequest, job: FromPath[str], limit: Limit = 100, after: After = "") -> RevisionList:
    """What a job was, the newest first, with who made each revision, when and why; a deleted job's for a while."""
    known = services_of(request).client.job_history(job)
    page, following = page_by_place(known, _place, limit, after)
    return RevisionList(items=[revision_out(one) for one in page], after=following)


@route("GET", f"{_PATH}/diff", action="read", tags=["jobs"])
def diff(request: AnyRequest, job: FromPath[str], old: _Number = None, new: _Number = None) -> list[FieldChange]:
    """What differs between two revisions; unless said, between the newest and the one before it."""
    return list(services_of(request).client.job_diff(job, old, new))


@route("POST", f"{_PATH}/rollback", action="edit", tags=["jobs"])
def rollback(
    request: AnyRequest,
    job: FromPath[str],
    revision: _Number = None,
    why: Annotated[str, QueryParameter(max_length=500, description="The reason, for the history.")] = "",
) -> Saved:
    """Make an earlier revision the newest: the one before the newest, unless said. A deleted job is made anew."""
    services = services_of(request)
    if is_paused(services.store):
        raise ApiError(503, "job submissions are paused", hint="POST /v1/unpause lets them in again")
    saved = services.client.rollback_job(job, revision, by=identity_of(request).name, why=why)
    note_of(request).detail = f"{saved.what}, revision {saved.revision}"
    return saved


def _place(one: Revision) -> str:
    """A deletion has the number of the revision that it ended."""
    return f"{one.number}-{one.at_ms}"


ROUTES = [revisions, diff, rollback]
