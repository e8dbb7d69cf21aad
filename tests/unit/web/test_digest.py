"""What thousands of jobs come to, taken in one by one, is what it would be if all were read anew."""

from __future__ import annotations

import random

import msgspec

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.json import JobState
from dkronpy.store.jobs import StoredJob
from dkronpy.web.digest import Digest
from tests.unit.web.conftest import shell


def view(name: str, due_ms: int | None, *, enabled: bool = True, revision: int = 1) -> JobView:
    job = Job(name=name, schedule="@every 1m", run=shell("true"), enabled=enabled)
    return JobView(stored=StoredJob(job=job, revision=revision, anchor_ms=0, due_ms=due_ms), state=JobState())


def run(job: str, state: str, reason: str = "") -> Run:
    return Run(id=f"{job}@x", job=job, due_ms=1, state=state, reason=reason)


def shown(digest: Digest) -> tuple[object, ...]:
    return list(digest.due()), digest.disabled, digest.failing, digest.missed


def test_one_by_one_comes_to_the_same_as_all_at_once() -> None:
    rng = random.Random(5)
    jobs: dict[str, JobView] = {}
    recent: dict[str, list[Run]] = {}
    digest = Digest()
    for _ in range(400):
        name = f"job-{rng.randrange(30)}"
        if rng.random() < 0.2:
            jobs.pop(name, None)
        else:
            due = rng.choice([None, rng.randrange(100)])
            jobs[name] = view(name, due, enabled=rng.random() < 0.8, revision=rng.randrange(5))
        state, reason = rng.choice([("failed", "exit"), ("success", ""), ("skipped", "misfire_late"), ("running", "")])
        recent[name] = [run(name, state, reason), *recent.get(name, [])][:3]
        digest.update([name], jobs, recent)
        whole = Digest()
        whole.rebuild(jobs, recent)
        assert shown(digest) == shown(whole)
    assert digest.due_of("nobody") is None


def test_due_times_come_in_order_up_to_a_moment() -> None:
    digest = Digest()
    digest.rebuild({name: view(name, due) for name, due in (("b", 5), ("a", 5), ("c", 3), ("d", 9))}, {})
    assert list(digest.due()) == [(3, "c"), (5, "a"), (5, "b"), (9, "d")]
    assert [name for _, name in digest.due(5)] == ["c", "a", "b"]
    assert list(digest.due(2)) == []


def test_definitions_count_what_was_saved_and_not_what_ran() -> None:
    digest, jobs = Digest(), {"a": view("a", 1)}
    digest.rebuild(jobs, {})
    before = digest.definitions
    digest.update(["a"], {"a": msgspec.structs.replace(jobs["a"])}, {"a": [run("a", "failed")]})
    digest.rebuild(jobs, {})
    assert digest.definitions == before
    digest.update(["a"], {"a": view("a", 1, revision=2)}, {})
    assert digest.definitions == before + 1
    digest.update(["a"], {}, {})
    assert digest.definitions == before + 2
