"""The arguments of ``Job(...)`` and their types, for type checkers and editors; nothing here is needed
at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from dkronpy.job.admission import Concurrency
    from dkronpy.job.job import CatchUp, Delivery, Job, Join, OnLeaseLoss, Run, RunOptions, When
    from dkronpy.job.notify import Notify
    from dkronpy.job.param import Param
    from dkronpy.job.retry import Retry
    from dkronpy.node import Target
    from dkronpy.schedule import ScheduleSpec
    from dkronpy.schedule.calendar import Calendar, OffDay
    from dkronpy.schedule.fields import HashRule
    from dkronpy.schedule.zoned import Gap, Overlap

    DurationLike = timedelta | str | int | float
    ScheduleLike = str | ScheduleSpec


class JobFields(TypedDict, total=False):
    """Everything about a job but its name and what it runs, as people write it."""

    schedule: ScheduleLike | Sequence[ScheduleLike] | None
    timezone: str
    gap: Gap
    overlap: Overlap
    hash_rule: HashRule | None
    spread: DurationLike | None
    spread_by: DurationLike | None
    starts_at: datetime | str | None
    expires_at: datetime | str | None
    on: Target
    after: Job | str | Sequence[Job | str] | Mapping[str, When | Literal["any"]]
    when: When | Mapping[str, When]
    join: Join
    timeout: DurationLike | None
    retry: int | Retry
    concurrency: Concurrency
    max_active: int | None
    concurrency_key: str
    queue_limit: int
    pools: str | Sequence[str] | Mapping[str, int]
    rate: str
    priority: int
    calendar: Calendar | str | None
    off_day: OffDay
    catch_up: CatchUp
    catch_up_window: DurationLike
    catch_up_limit: int | None
    catch_up_spacing: DurationLike | None
    start_deadline: DurationLike | None
    delivery: Delivery
    on_lease_loss: OnLeaseLoss | None
    deadline: DurationLike | None
    params: Mapping[str, Param | str | int | float | bool | Mapping[str, object]]
    pause_after: int | None
    run_timeout: DurationLike | None
    stale_after: DurationLike | None
    max_lateness: DurationLike | None
    notify: str | Notify | Sequence[str | Notify] | None
    history_limit: int | None
    retention: DurationLike | None
    failure_limit: int | None
    failure_retention: DurationLike | None
    output_limit: int
    processors: Mapping[str, Mapping[str, object] | RunOptions]
    enabled: bool
    ephemeral: bool
    owner: str
    owner_email: str
    display_name: str
    metadata: Mapping[str, str]
    doc: str


class AllFields(JobFields, total=False):
    """Everything about a job."""

    name: str
    run: Run | RunOptions
