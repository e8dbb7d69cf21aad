"""A job: what runs, when, where, and what happens if it fails, overlaps or comes too late."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import msgspec

from dkronpy.clock import to_ms
from dkronpy.collect import current_defaults, declare, is_collecting
from dkronpy.errors import Problem
from dkronpy.job.admission import QUEUE_LIMIT, Concurrency
from dkronpy.job.check import check_job
from dkronpy.job.notify import Notify
from dkronpy.job.param import Param
from dkronpy.job.retry import Retry
from dkronpy.job.values import normalised
from dkronpy.node import Target
from dkronpy.schedule import Schedule, parse
from dkronpy.schedule.calendar import Calendar, OffDay, WorkingDays
from dkronpy.schedule.combined import Later
from dkronpy.schedule.fields import HashRule
from dkronpy.schedule.problems import did_you_mean
from dkronpy.schedule.zoned import Gap, Overlap

When = Literal["success", "failure", "always"]
Join = Literal["all", "any"]
CatchUp = Literal["none", "latest", "all"]
Delivery = Literal["at_most_once", "at_least_once"]
OnLeaseLoss = Literal["kill", "continue"]


class Run(msgspec.Struct, frozen=True):
    """What a job runs, untyped: the name of an executor and its configuration, exactly as JSON gave it."""

    executor: str
    config: dict[str, Any] = {}


class RunOptions(Protocol):
    """What a job runs, typed: the options of an executor, such as ``Shell("backup.sh")``."""

    plugin: ClassVar[str]

    def to_config(self) -> dict[str, Any]:
        """The configuration that JSON carries."""
        ...


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dkronpy.job.fields import AllFields, JobFields

    Runnable = Run | RunOptions
else:
    Runnable = Run  # what a stored definition holds, and msgspec decodes


@cache
def _known_fields(kind: _JobType) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


class _JobType(msgspec.StructMeta):
    """Reads the arguments of ``Job(...)`` as people write them; decoding a stored job skips all of this."""

    def __call__(cls, **given: Any) -> Any:  # noqa: N805 - the instance of this metaclass is a class
        fields = cls.__struct_fields__
        problems = [
            Problem(name, given[name], f"a job has no field {name!r}", did_you_mean(name, fields))
            for name in sorted(given.keys() - _known_fields(cls), key=list(given).index)
        ]
        if problems and not is_collecting():
            raise TypeError("; ".join(f"{problem.message}, {problem.hint}".rstrip(", ") for problem in problems))
        known = {name: value for name, value in given.items() if name in _known_fields(cls)} if problems else given
        if is_collecting():  # what is missing is reported together with everything else
            known = {"name": "", "run": Run(""), **current_defaults(), **known}
        job = super().__call__(**normalised({**current_defaults(), **known}))
        declare(job, problems)
        return job


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, metaclass=_JobType):
    """A named definition of work. It is a value: building one runs nothing and stores nothing.

    A field that holds something impossible is no error yet: ``check()`` names every problem at once.
    Durations are given as seconds (``90``), text (``"1h30m"``) or ``timedelta``, and kept as ``timedelta``.
    Names and meaning of what Dkron knows are Dkron's; its JSON is read and written by ``dkronpy.job.json``.
    """

    name: str
    """Unique: lower-case letters, digits, ``-`` and ``_``."""

    run: Runnable
    """The options of an executor (``Shell(...)``, ``Http(...)``, ``Python(...)``), or ``Run(name,
    config)``.
    """

    schedule: str = ""
    """When it is due; several schedules are joined by `` | ``. A job with ``after`` is never due by itself."""

    timezone: str = ""
    """The zone that the schedule is read in, such as ``Europe/Berlin``; empty: UTC."""

    gap: Gap = "after"
    """A wall-clock time that the clock skips is due when the gap ends (``after``), just ``before`` it,
    or not (``skip``).
    """

    overlap: Overlap = "first"
    """A wall-clock time that the clock repeats is due the ``first`` time, the ``second``, or ``both``."""

    hash_rule: HashRule | None = None
    """How ``~`` in the schedule becomes a value: ``even`` spreads names evenly, ``dkron`` has Dkron's value. None: as
    the stored job of this name has it, ``even`` for a new one.
    """

    spread: timedelta | None = None
    """Over how long after its due times it may be put off, so that jobs do not all start at once: the minute that
    levels them is chosen when it is saved, and kept. None: it is due when its schedule says.
    """

    spread_by: timedelta | None = None
    """How much later than its schedule says it is due: what was chosen within ``spread``. None: it is yet to be
    chosen.
    """

    starts_at: datetime | None = None
    """Due times before this moment do not count."""

    expires_at: datetime | None = None
    """Due times after this moment do not count."""

    on: Target = Target(count=1)
    """Which nodes run it: ``any_node(...)`` (the default: one), ``all_nodes(...)`` or ``on_node(...)``."""

    after: tuple[str, ...] = ()
    """The jobs that it follows: names, or names with how each has to end (``{"extract": "success"}``)."""

    when: When | dict[str, When] = "success"
    """How the jobs in ``after`` have to end: ``success``, ``failure`` or ``always``, for all or by name."""

    join: Join = "all"
    """Whether it follows when ``all`` of the jobs in ``after`` ended as wanted, or ``any`` first one."""

    timeout: timedelta | None = None
    """How long one attempt may take before it is ended; None: as long as it likes."""

    run_timeout: timedelta | None = None
    """How long a whole run may take, with all its attempts and the pauses between them; None: as long as it likes."""

    retry: Retry = Retry(0)
    """How often, and after what pauses, it is tried again."""

    concurrency: Concurrency = "allow"
    """What becomes of a run while an earlier one is active: ``allow``, ``forbid`` (it is skipped), ``queue_one`` and
    ``queue_all`` (it waits), ``cancel`` and ``terminate`` (the earlier one makes way); empty: ``allow``, as in Dkron.
    """

    max_active: int | None = None
    """How many of its runs may be active at once, under any policy but ``allow``; None: one."""

    concurrency_key: str = ""
    """Only runs for which this template comes to the same text count as one another's: ``{{ params.customer }}``."""

    queue_limit: int = QUEUE_LIMIT
    """How many of its runs may wait with ``queue_all``; what comes then is skipped."""

    pools: dict[str, int] = {}
    """The pools of which each of its runs takes slots, by name."""

    rate: str = ""
    """How many of its runs may start in a span of time: ``100/m``; more of them wait."""

    priority: int = 0
    """Who of those that wait goes first: from -100 to 100, the higher the sooner."""

    calendar: Calendar | None = None
    """The working days that its due times keep to: a ``Calendar``, or the name of one of the store."""

    off_day: OffDay = "skip"
    """What becomes of a due time on a day off: ``skip``, or it moves to the ``next`` or ``previous`` working day."""

    catch_up: CatchUp = "latest"
    """Which of the due times that nobody served (all were down) are made up for: ``none``, the
    ``latest``, or ``all``.
    """

    catch_up_window: timedelta = timedelta(hours=24)
    """What was missed longer ago than this is stale: it is recorded, and nobody makes up for it."""

    catch_up_limit: int | None = None
    """How many missed due times ``all`` makes up for, the latest ones; None: every one in the window."""

    catch_up_spacing: timedelta | None = None
    """How long after a make-up run of this job the next may start; None: as the deployment's pace has it."""

    start_deadline: timedelta | None = None
    """How late a run may start; None: the time to the next due time, at most an hour."""

    delivery: Delivery = "at_most_once"
    """``at_least_once`` starts it again when a node was lost in the middle; it then has to be idempotent."""

    on_lease_loss: OnLeaseLoss | None = None
    """What a node that lost the store does with running work; None: ``kill`` with ``forbid``, else
    ``continue``.
    """

    deadline: timedelta | None = None
    """How long after its due time it should have succeeded; if not, people are told. None: nobody waits for it."""

    params: dict[str, Param] = {}
    """What a run may be given: parameters by name, each with type, default and bounds; or just defaults."""

    pause_after: int | None = None
    """After how many failures in a row it is paused, until somebody resumes it; None: never."""

    max_lateness: timedelta | None = None
    """How long after its due time a run may start: a promise, and a later start is told. None: nothing is promised."""

    stale_after: timedelta | None = None
    """How long it may go without a success before people are told."""

    notify: tuple[Notify, ...] | None = None
    """Who is told of it: names of channels, or ``Notify(...)``; None: as the deployment says, empty: nobody."""

    history_limit: int | None = None
    """How many of its finished runs are kept, those that ended last; None: as the setting of that name says."""

    retention: timedelta | None = None
    """How long its finished runs are kept, within ``history_limit``; None: as the setting says."""

    failure_limit: int | None = None
    """How many runs that failed are kept beyond those; None: as the setting says."""

    failure_retention: timedelta | None = None
    """How long runs that failed are kept, within ``failure_limit``; None: as the setting says."""

    output_limit: int = 256_000
    """How many bytes of an attempt's output are kept, half from its head and half from its tail."""

    processors: dict[str, dict[str, Any]] = {}
    """What is done with the output: the options of each processor by its name, in the order in which they run."""

    enabled: bool = True
    """Whether it is scheduled."""

    ephemeral: bool = False
    """Whether it is deleted after its first success."""

    owner: str = ""
    """Who answers for it: free text."""

    owner_email: str = ""
    """Where mail about it goes."""

    display_name: str = ""
    """What people read instead of the name."""

    metadata: dict[str, str] = {}
    """Free labels that lists can be filtered by."""

    doc: str = ""
    """What it is for, in a sentence or more."""

    if TYPE_CHECKING:

        def __init__(self, *, name: str, run: Runnable, **fields: Unpack[JobFields]) -> None: ...

    @property
    def executor(self) -> str:
        """The name of the executor."""
        return self.run.executor if isinstance(self.run, Run) else self.run.plugin

    @property
    def executor_config(self) -> dict[str, Any]:
        """The executor's configuration as JSON carries it; do not change it."""
        return self.run.config if isinstance(self.run, Run) else self.run.to_config()

    @property
    def forbids_overlap(self) -> bool:
        """Whether two runs of it may never be active at once, and the later one is skipped."""
        return self.concurrency == "forbid" and not self.concurrency_key and self.max_active in (None, 1)

    @property
    def limited(self) -> bool:
        """Whether anything but the nodes limits how many of its runs are active."""
        return self.concurrency not in ("allow", "") or bool(self.pools)

    @property
    def gated(self) -> bool:
        """Whether its runs have to pass gates; plain ``forbid`` needs none."""
        return bool(self.pools or self.rate) or (self.concurrency not in ("allow", "") and not self.forbids_overlap)

    def condition(self, parent: str) -> When:
        """How *parent* has to end for this job to follow."""
        return self.when.get(parent, "success") if isinstance(self.when, dict) else self.when

    @property
    def max_attempts(self) -> int:
        """How many tries an execution has in all."""
        return self.retry.max + 1

    def parsed_schedule(self, anchor: datetime | None = None) -> Schedule:
        """Its schedule, ready to name due times; ``@every`` counts from *anchor*, the moment the job
        was made.

        Costs some 20 microseconds and is not kept here: who asks often keeps the answer. Raises
        ScheduleError.
        """
        schedule = parse(
            self.schedule if self.schedule and not self.after else "@manually",
            timezone=self.timezone,
            job=self.name,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
            anchor=anchor,
            gap=self.gap,
            overlap=self.overlap,
            hash_rule=self.hash_rule or "even",
        )
        if schedule.manual:
            return schedule
        if self.calendar is not None:
            schedule = WorkingDays(schedule, self.calendar, self.off_day, self.timezone)
        if not self.spread_by:
            return schedule
        expires_ms = None if self.expires_at is None else to_ms(self.expires_at)
        return Later(schedule, self.spread_by // timedelta(milliseconds=1), expires_ms=expires_ms)

    def check(self) -> list[Problem]:
        """Everything that is wrong with it by itself; the executor's options are checked where plugins
        are known.
        """
        return check_job(self)

    def but(self, **changes: Unpack[AllFields]) -> Job:
        """A copy with some fields changed; while configuration is loaded the copy counts as a job of
        its own.
        """
        unknown = [name for name in changes if name not in self.__struct_fields__]
        if unknown:
            hint = did_you_mean(unknown[0], self.__struct_fields__)
            raise TypeError(f"a job has no field {unknown[0]!r} {hint}".strip())
        copy = msgspec.structs.replace(self, **normalised(changes))
        declare(copy)
        return copy
