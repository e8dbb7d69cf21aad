"""What an outcome changes about a job's condition, and which rules want to hear of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dkronpy.job import Job, Run
from dkronpy.job.notify import EVENTS, Happening, Notify, read_rules, tells
from dkronpy.notices.condition import Condition
from dkronpy.notices.follower import due_of


def history(*states: str) -> list[Happening | None]:
    condition = Condition()
    return [condition.outcome("j", f"r{at}", *state.split(":"), at) if ":" in state  # type: ignore[call-arg]
            else condition.outcome("j", f"r{at}", state, "", at) for at, state in enumerate(states, 1)]  # fmt: skip


def told(*states: str, rule: Notify) -> list[str]:
    return [one.event for one in history(*states) if one is not None and tells(rule, one)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Notify("c"), ["failure", "recovery", "missed", "recovery"]),
        (Notify("c", on="failure"), ["failure", "failure", "failure"]),
        (Notify("c", on="success"), ["success", "recovery", "recovery"]),
        (Notify("c", on="recovery"), ["recovery", "recovery"]),
        (Notify("c", on="missed"), ["missed"]),
        (Notify("c", on="lost"), ["failure"]),
        (Notify("c", failures=2), ["failure", "recovery"]),
        (Notify("c", failures=4), []),
    ],
)
def test_who_hears_what(rule: Notify, expected: list[str]) -> None:
    states = ("success", "failed:exit", "lost:lease_expired", "skipped:overlap", "failed:exit", "success",
              "skipped:no_live_node", "success")  # fmt: skip
    assert told(*states, rule=rule) == expected


def test_failures_are_counted_from_when_they_began() -> None:
    last = history("success", "failed", "skipped:overlap", "partially_failed", "skipped:no_live_node")[-1]
    assert last is not None
    assert (last.times, last.since_ms) == (3, 2)


def test_what_somebody_cancelled_is_no_failure() -> None:
    assert history("failed:cancelled") == [None]


def test_a_lost_run_that_turns_out_well_is_a_recovery() -> None:
    assert [one and one.event for one in history("lost:lease_expired", "success")] == ["failure", "recovery"]


def test_slow_is_measured_against_the_median_of_enough_runs() -> None:
    condition = Condition()
    for ms in (10, 20, 30, 40):
        condition.took(ms)
    assert condition.usual_ms is None
    condition.took(5000)
    assert condition.usual_ms == 30
    for _ in range(30):
        condition.took(7)
    assert condition.usual_ms == 7
    assert len(condition.took_ms) == 20


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (None, None),
        ([], ()),
        ("ops", (Notify("ops"),)),
        (["ops", {"to": "bi", "on": ["failure"], "late": "5m"}], (Notify("ops"), Notify("bi", "failure", late=300))),
    ],
)
def test_rules_are_read_as_people_write_them(value: object, rules: object) -> None:
    assert read_rules(value) == rules


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        (["ops", 5], "5 is neither the name of a channel nor a rule"),
        ([Notify("ops", on="failed")], "there is no event 'failed'; known: changes, failure"),
        ([Notify("")], "'' is not the name of a channel"),
        ([Notify("ops", failures=0)], "failures=0 is not a whole number"),
        ([Notify("ops", slow=1)], "slow=1 is not a factor above 1"),
        ([Notify("ops", late="soon")], "late='soon' is not a duration"),
        ([{"to": "ops", "only": "x"}], "is neither the name of a channel nor a rule"),
        (5, "5 does not say who is told"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(notify: object, said: str) -> None:
    job = Job(name="j", run=Run("shell", {"command": "x"}), schedule="@daily", notify=notify)  # type: ignore[arg-type]
    (problem,) = job.check()
    assert problem.field == "notify"
    assert said in problem.message


def test_late_and_slow_are_told_by_how_much() -> None:
    late = Happening(event="late", job="j", at_ms=1, amount=60_000.0)
    assert tells(Notify("c", on="late"), late)
    assert not tells(Notify("c", on="late", late=timedelta(seconds=61)), late)
    slow = Happening(event="slow", job="j", at_ms=1, amount=2.5)
    assert not tells(Notify("c", on="slow"), slow)
    assert tells(Notify("c", on="slow", slow=2), slow)


def test_every_event_is_explained() -> None:
    assert all(EVENTS.values())


@pytest.mark.parametrize(
    ("run", "due"),
    [
        ("backup@2026-11-23T02:30:00.000Z", 1_795_401_000_000),
        ("backup@2026-11-23T02:30:00.000Z-ab12cd", None),
        ("odd", None),
    ],
)
def test_a_due_time_is_read_from_the_run_of_a_schedule(run: str, due: int | None) -> None:
    assert due_of(run) == due
