"""What a job must be like by itself in where it runs, after whom, beside whom, and how often it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dkronpy.errors import Problem
from dkronpy.job.admission import ACCEPTED_RATE, HIGHEST_PRIORITY, POLICIES, read_rate
from dkronpy.job.retry import KINDS, Retry
from dkronpy.node import Target
from dkronpy.node_expression import ExpressionError, read_expression
from dkronpy.schedule.durations import ACCEPTED as DURATIONS
from dkronpy.schedule.problems import did_you_mean

if TYPE_CHECKING:
    from dkronpy.job.job import Job

MOST_RETRIES = 1000
MOST_ACTIVE = 10_000
_CONDITIONS = ("success", "failure", "always")
_STRATEGIES = ("random", "least_busy", "sticky", "spread")


def near(value: Any, accepted: tuple[str, ...]) -> str:
    """A hint with the word that was probably meant."""
    return did_you_mean(str(value), accepted)


def parents(job: Job) -> Iterator[Problem]:
    """The jobs that it follows."""
    after: Any = job.after
    if not isinstance(after, tuple) or not all(isinstance(name, str) and name for name in after):
        yield Problem("after", after, f"{after!r} is neither a job nor the name of one, nor several of them")
        return
    if job.name in after:
        yield Problem("after", job.name, "the job can not have itself as parent")
    for name in sorted({name for name in after if after.count(name) > 1}):
        yield Problem("after", name, f"job {name!r} is named twice")


def conditions(job: Job) -> Iterator[Problem]:
    """How those have to end, and how many of them."""
    when: Any = job.when
    for parent, condition in when.items() if isinstance(when, dict) else ((None, when),):
        if condition not in _CONDITIONS:
            whose = "" if parent is None else f" for {parent!r}"
            message = f"{condition!r}{whose} is not one of {', '.join(_CONDITIONS)}"
            yield Problem("when", condition, message, near(condition, _CONDITIONS))
        elif parent is not None and parent not in job.after:
            yield Problem("when", parent, f"it does not follow {parent!r}", near(parent, job.after))
    if job.join not in ("all", "any"):
        yield Problem("join", job.join, f"{job.join!r} is neither all nor any", near(job.join, ("all", "any")))


def concurrency(job: Job) -> Iterator[Problem]:
    """What becomes of a run while an earlier one is active."""
    if job.concurrency not in (*POLICIES, ""):
        message = 'invalid concurrency policy value, use "allow" or "forbid"'
        hint = near(job.concurrency, POLICIES) or f"also {', '.join(POLICIES[2:])}"
        yield Problem("concurrency", job.concurrency, message, hint)


def limits(job: Job) -> Iterator[Problem]:
    """What its runs have to pass before they start."""
    for name in ("max_active", "queue_limit"):
        value: Any = getattr(job, name)
        if (value is not None or name == "queue_limit") and not _is_whole(value, 1, MOST_ACTIVE):
            yield Problem(name, value, f"{value!r} is not a whole number from 1 to {MOST_ACTIVE:,}")
    for name in ("max_active", "concurrency_key"):
        if getattr(job, name) and job.concurrency in ("allow", ""):
            message = "concurrency='allow' has no limit that it could belong to"
            yield Problem(name, getattr(job, name), message, f"say concurrency={POLICIES[1:]!r}, one of them")
    if not isinstance(job.concurrency_key, str):
        yield Problem("concurrency_key", job.concurrency_key, f"{job.concurrency_key!r} is not text")
    pools: Any = job.pools
    if not isinstance(pools, dict) or not all(isinstance(name, str) and name for name in pools):
        yield Problem("pools", pools, f"{pools!r} does not map pools to slots", "pools={'db': 1}")
    else:
        for name, slots in pools.items():
            if not _is_whole(slots, 1, MOST_ACTIVE):
                yield Problem("pools", slots, f"{slots!r} slots of {name!r} is not a whole number from 1 up")
    try:
        if job.rate:
            read_rate(job.rate)
    except (ValueError, AttributeError, TypeError) as error:
        yield Problem("rate", job.rate, str(error), ACCEPTED_RATE)
    if not _is_whole(job.priority, -HIGHEST_PRIORITY, HIGHEST_PRIORITY):
        message = f"{job.priority!r} is not a whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
        yield Problem("priority", job.priority, message)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def retry(job: Job) -> Iterator[Problem]:
    """How often it is tried again."""
    retry: Any = job.retry
    if not isinstance(retry, Retry):
        yield Problem("retry", retry, f"{retry!r} is neither a number of retries nor a Retry(...)")
        return
    count: Any = retry.max
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_RETRIES:
        yield Problem("retry", count, f"{count!r} is not a whole number from 0 to {MOST_RETRIES}")
    if retry.backoff not in ("fixed", "exponential"):
        message = f"backoff {retry.backoff!r} is neither fixed nor exponential"
        yield Problem("retry", retry.backoff, message, near(retry.backoff, ("fixed", "exponential")))
    for name in ("delay", "cap"):
        pause: Any = getattr(retry, name)
        if not isinstance(pause, timedelta) or pause < timedelta(0):
            yield Problem("retry", pause, f"{name} {pause!r} is not a duration", f"accepted: {DURATIONS}")
    for one in retry.unknown():
        hint = near(one, KINDS) or f"accepted: {', '.join(KINDS)}, 75, '70-79', '5xx'"
        yield Problem("retry", one, f"on: {one!r} is neither a kind of failure nor a code", hint)
    if retry.elsewhere and isinstance(job.on, Target) and job.on.count is None and job.on.every:
        yield Problem("retry", True, "elsewhere: a job that runs on every node has no other", "on=any_node(...)")


def target(job: Job) -> Iterator[Problem]:
    """Which nodes it wants."""
    target: Any = job.on
    if not isinstance(target, Target):
        hint = "write any_node(role='web'), all_nodes(role='web') or on_node('web1')"
        yield Problem("on", target, f"{target!r} is not a target", hint)
        return
    if target.count is not None and (isinstance(target.count, bool) or not isinstance(target.count, int)):
        yield Problem("on", target.count, f"{target.count!r} is not a number of nodes")
    elif target.count is not None and target.count < 1:
        yield Problem("on", target.count, f"a run on {target.count} nodes would never run")
    for tag, value in target.tags.items():
        if not isinstance(tag, str) or not isinstance(value, str):
            yield Problem("on", value, f"tag {tag!r} is {value!r}; tags are text", f"{tag}={str(value)!r}")
            return
    yield from _nodes(target)
    yield from _where(target)
    yield from _manner(target)


def _nodes(target: Target) -> Iterator[Problem]:
    for field in ("nodes", "exclude"):
        for name in getattr(target, field):
            if not isinstance(name, str) or not name:
                yield Problem("on", name, f"{field}: {name!r} is not the name of a node")
    left = set(target.nodes) - set(target.exclude)
    if target.nodes and not left:
        yield Problem("on", target.exclude, "exclude names every node of 'nodes': the job would never run")


def _where(target: Target) -> Iterator[Problem]:
    where: Any = target.where
    if not isinstance(where, str):
        yield Problem("on", where, f"where: {where!r} is not text", "as in \"role == 'web' and load < 0.7\"")
    elif where:
        try:
            read_expression(where)
        except ExpressionError as error:
            yield Problem("on", where, f"where: {error}", error.hint)


def _manner(target: Target) -> Iterator[Problem]:
    if target.strategy not in _STRATEGIES:
        message = f"strategy {target.strategy!r} is not one of {', '.join(_STRATEGIES)}"
        yield Problem("on", target.strategy, message, near(target.strategy, _STRATEGIES))
    rolling: Any = target.rolling
    if rolling is not None and not _is_whole(rolling, 1, MOST_ACTIVE):
        yield Problem("on", rolling, f"rolling {rolling!r} is not a number of nodes from 1 up")
    for word in ("rolling", "make_up"):
        if getattr(target, word) and not target.every:
            yield Problem("on", target.count, f"{word} is for a job that runs on every matching node", "all_nodes(...)")
    if target.rolling and target.make_up:
        yield Problem("on", target.rolling, "rolling waits for each node, make_up for none: give one of them")
