"""Pauses and maintenance windows, as people ask for them: of a job, of every job with a tag, of everything."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from msgspec import structs

from dkronpy.clock import to_ms
from dkronpy.deployment import Deployment
from dkronpy.errors import InvalidError, NotFoundError, Problem
from dkronpy.job import Job
from dkronpy.pause import Pause, covering, in_force

LONGEST_REASON = 500


class Maintenance:
    """Pauses and resumes. Every method raises StoreUnavailableError when the store is away."""

    def __init__(self, deployment: Deployment, *, who: str) -> None:
        self.deployment = deployment
        self.who = who

    def pause(
        self,
        *,
        job: str = "",
        tag: str = "",
        reason: str = "",
        start: datetime | None = None,
        until: datetime | timedelta | None = None,
        by: str = "",
    ) -> Pause:
        """Pause a job, every job with a tag (``role=web``), or, with neither, everything.

        Due times from *start* (now unless said) to *until* (None: until somebody resumes) are recorded as skipped,
        ``paused``; nobody makes up for them. What runs goes on, and a run by hand is a run. Raises NotFoundError for a
        job that does not exist, InvalidError for what makes no sense.
        """
        return self.pause_as(
            secrets.token_hex(4), job=job, tag=tag, reason=reason, start=start, until=until, by=by or self.who
        )

    def pause_as(
        self, name: str, *, job: str, tag: str, reason: str, start: datetime | None, until: datetime | timedelta | None,
        by: str,
    ) -> Pause:  # fmt: skip
        """The pause of the id *name*: that which is there, as it stands, or one as ``pause`` makes it."""
        with self.deployment.store.errors():
            known = next((one for one in self.deployment.pauses.all() if one.id == name), None)
            if known is not None:
                return known
            now_ms = self.deployment.store.now_ms()
            from_ms = now_ms if start is None else to_ms(start)
            if isinstance(until, timedelta):
                until_ms: int | None = max(now_ms, from_ms) + until // timedelta(milliseconds=1)
            else:
                until_ms = None if until is None else to_ms(until)
            self._check(job, tag, reason, from_ms, until_ms, now_ms)
            made = Pause(id=name, job=job, tag=tag, reason=reason, by=by, from_ms=from_ms, until_ms=until_ms)
            self.deployment.pauses.forget(now_ms)
            self.deployment.pauses.put(made)
        return made

    def resume(self, *, job: str = "", tag: str = "", id: str = "", by: str = "") -> list[Pause]:  # noqa: A002
        """End the pauses of exactly this job, tag or id, or, with none of them, of everything; those that ended.

        Raises NotFoundError where there is none: a job may still be paused by its tag, which the message says.
        """
        with self.deployment.store.errors():
            now_ms = self.deployment.store.now_ms()
            known = in_force(self.deployment.pauses.all(), now_ms)
            meant = [one for one in known if (one.id == id if id else (one.job, one.tag) == (job, tag))]
            if not meant:
                raise self._nothing(job, tag, id, known)
            ended = []
            for one in meant:
                # of one that has not begun nothing is left
                over = structs.replace(
                    one, from_ms=min(one.from_ms, now_ms), until_ms=now_ms, resumed_by=by or self.who
                )
                ended.append(over)
                self.deployment.pauses.put(over)
        return ended

    def pauses(self, *, ended: bool = False) -> list[Pause]:
        """The pauses that hold or will hold; with *ended* also those of the last days that are over."""
        with self.deployment.store.errors():
            known = self.deployment.pauses.all()
            return known if ended else in_force(known, self.deployment.store.now_ms())

    def of_job(self, job: Job) -> Pause | None:
        """The pause that *job* is under now, if any."""
        with self.deployment.store.errors():
            return covering(self.deployment.pauses.all(), job, self.deployment.store.now_ms())

    def _check(self, job: str, tag: str, reason: str, from_ms: int, until_ms: int | None, now_ms: int) -> None:
        problems = []
        if job and tag:
            problems.append(Problem("tag", tag, "a pause is about a job or about a tag", "make two pauses"))
        if tag and not all(tag.partition("=")):
            problems.append(Problem("tag", tag, f"{tag!r} is no tag with its value", "write role=web"))
        if len(reason) > LONGEST_REASON:
            problems.append(Problem("reason", reason[:20], f"it has {len(reason)} characters; {LONGEST_REASON} do"))
        if until_ms is not None and until_ms <= max(from_ms, now_ms):
            problems.append(Problem("until", until_ms, "it would be over before it begins", "give a later moment"))
        if problems:
            raise InvalidError("pause", problems)
        if job:
            self.deployment.jobs.get(job)

    def _nothing(self, job: str, tag: str, id: str, known: list[Pause]) -> NotFoundError:  # noqa: A002
        what = f"pause {id!r}" if id else f"pause of job {job!r}" if job else f"pause of {tag or 'everything'}"
        hint = "`dkronpy pauses` lists those in force"
        if job:
            wider = covering(known, self.deployment.jobs.get(job).job, self.deployment.store.now_ms())
            if wider is not None:
                flag = f"--tag {wider.tag}" if wider.tag else "--all"
                hint = f"{wider.sentence()}; `dkronpy resume {flag}` ends that"
        return NotFoundError(f"there is no {what}", hint=hint)
