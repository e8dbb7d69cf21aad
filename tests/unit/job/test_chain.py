"""Who follows whom: what a job does when its parents end, how a chain is drawn, and where it is taken up again."""

from __future__ import annotations

from typing import Any

import pytest

from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job import Run as What
from dkronpy.job.chain import decide, failed_first, links, suffix_of, tail_again, tail_of, tails
from dkronpy.job.json import decode_job, encode_job

TAIL = "2026-11-23T02:30:00.000Z"


def follower(after: Any, name: str = "child", **fields: Any) -> Job:
    return Job(name=name, run=What("shell"), after=after, **fields)


def ended(job: str, state: str = "success", reason: str = "") -> Run:
    return Run(id=f"{job}@{TAIL}", job=job, due_ms=0, state=state, reason=reason)  # type: ignore[arg-type]


def test_conditions_are_written_for_all_parents_or_for_each() -> None:
    each = follower({"extract": "success", "load": "any"})
    assert (each.after, each.when) == (("extract", "load"), {"extract": "success", "load": "always"})
    assert (each.condition("extract"), each.condition("load")) == ("success", "always")
    alike = follower({"extract": "failure", "load": "failure"})
    assert (alike.after, alike.when) == (("extract", "load"), "failure")
    assert follower({"extract": "any"}).when == "always"
    assert follower(["a", "b"], when={"b": "failure"}).condition("a") == "success"
    for job in (each, alike, follower("a", join="any"), follower({"a": "failure"})):
        assert job.check() == []
        assert decode_job(encode_job(job))[0].but(on=job.on) == job


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"after": {"a": "sucess"}}, "when: 'sucess' is not one of success, failure, always (did you mean 'success'?)"),
        ({"after": {"a": "success", "b": "eny"}}, "when: 'eny' for 'b' is not one of"),
        ({"after": "extract", "when": {"extrct": "failure"}}, "it does not follow 'extrct' (did you mean 'extract'?)"),
        ({"after": "a", "join": "some"}, "join: 'some' is neither all nor any"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_named(fields: dict[str, Any], said: str) -> None:
    (problem,) = follower(**fields).check()
    assert said in str(problem)


SUCCESS, FAILED, LOST = ended("a"), ended("a", "failed", "exit"), ended("a", "lost", "lease_expired")
OVERLAP, NOBODY = ended("a", "skipped", "overlap"), ended("a", "skipped", "no_live_node")


@pytest.mark.parametrize(
    ("condition", "parent", "what"),
    [
        ("success", SUCCESS, "run"),
        ("success", FAILED, "skip"),
        ("success", ended("a", "partially_failed"), "skip"),
        ("failure", SUCCESS, "none"),
        ("failure", FAILED, "run"),
        ("failure", LOST, "run"),
        ("failure", ended("a", "partially_failed"), "run"),
        ("failure", NOBODY, "run"),
        ("failure", OVERLAP, "skip"),
        ("always", SUCCESS, "run"),
        ("always", LOST, "run"),
        ("always", OVERLAP, "run"),
        ("always", ended("a", "running"), "wait"),
        ("success", None, "wait"),
    ],
)
def test_one_parent(condition: str, parent: Run | None, what: str) -> None:
    assert decide(follower({"a": condition}), {"a": parent}).what == what


@pytest.mark.parametrize(
    ("join", "a", "b", "what"),
    [
        ("all", "success", None, "wait"),
        ("all", "success", "running", "wait"),
        ("all", "success", "success", "run"),
        ("all", "failed", None, "skip"),
        ("all", "success", "failed", "skip"),
        ("any", "success", None, "run"),
        ("any", "failed", None, "wait"),
        ("any", "failed", "running", "wait"),
        ("any", "failed", "success", "run"),
        ("any", "failed", "failed", "skip"),
    ],
)
def test_two_parents(join: str, a: str, b: str | None, what: str) -> None:
    job = follower(["a", "b"], join=join)
    assert decide(job, {"a": ended("a", a), "b": None if b is None else ended("b", b)}).what == what


def test_a_job_that_is_skipped_says_whose_end_it_was() -> None:
    said = decide(follower(["a", "b"]), {"a": ended("a"), "b": ended("b", "failed", "timeout")}).message
    assert said == "b ended as failed (timeout), and success was wanted"


def test_tails_name_a_chain_and_its_tries() -> None:
    assert tail_of(f"a@{TAIL}-c0ffee") == f"{TAIL}-c0ffee"
    assert suffix_of(f"{TAIL}-c0ffee-r2") == "c0ffee-r2"
    assert suffix_of(TAIL) == ""
    assert tail_again(TAIL) == f"{TAIL}-r1"
    assert tail_again(f"{TAIL}-c0ffee-r9") == f"{TAIL}-c0ffee-r10"
    assert list(tails(f"{TAIL}-x-r2")) == [f"{TAIL}-x-r2", f"{TAIL}-x-r1", f"{TAIL}-x"]
    assert list(tails(TAIL)) == [TAIL]


def chain(**states: str | None) -> tuple[dict[str, Job], dict[str, Run | None]]:
    """extract → transform → load → report, with a clean-up behind transform and a loose job elsewhere."""
    jobs = {
        "extract": Job(name="extract", run=What("shell"), schedule="@daily"),
        "transform": follower("extract", "transform"),
        "load": follower("transform", "load"),
        "clean": follower({"transform": "any"}, "clean"),
        "report": follower(["load", "clean"], "report"),
        "loose": Job(name="loose", run=What("shell"), schedule="@daily"),
    }
    reasons = {"skipped": "parent_failed", "failed": "exit"}
    return jobs, {
        name: None if (state := states.get(name)) is None else ended(name, state, reasons.get(state, ""))
        for name in jobs
    }


@pytest.mark.parametrize("start", ["extract", "clean", "report"])
def test_a_chain_is_all_that_is_connected_parents_first(start: str) -> None:
    jobs, runs = chain(extract="success", transform="failed", load="skipped", clean="success", report="skipped")
    drawn = links(jobs, runs.__getitem__, start)
    assert [(link.job, link.depth) for link in drawn] == [
        ("extract", 0), ("transform", 1), ("clean", 2), ("load", 2), ("report", 3),
    ]  # fmt: skip
    assert drawn[4].parents == ("load", "clean")
    assert failed_first(drawn) == ["transform"]


def test_a_parent_that_had_no_run_is_no_part_of_a_chain() -> None:
    jobs, runs = chain(transform="success", load="running")
    drawn = links(jobs, runs.__getitem__, "transform")
    assert [link.job for link in drawn] == ["transform", "clean", "load", "report"]
    assert drawn[3].run is None
    assert failed_first(drawn) == []


def test_what_failed_behind_a_failure_is_decided_anew_and_not_started_by_itself() -> None:
    jobs, runs = chain(extract="success", transform="failed", clean="failed", load="skipped", report="skipped")
    assert failed_first(links(jobs, runs.__getitem__, "load")) == ["transform"]
    jobs, runs = chain(extract="success", transform="success", clean="failed", load="failed", report="skipped")
    assert failed_first(links(jobs, runs.__getitem__, "load")) == ["clean", "load"]
