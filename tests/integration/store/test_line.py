"""Requests that are sent while the server works on those before them."""

from __future__ import annotations

import pytest
import redis

from dkronpy.store.ledger import Firing
from dkronpy.store.line import Line
from dkronpy.store.redbeat import score_of
from tests.integration.store.plans import Desk, backup, skipped_run


def _owed_by_many(desk: Desk, count: int) -> list[Firing]:
    firings = []
    for number in range(count):
        name = f"job-{number}"
        desk.jobs.save(backup(name=name))
        stored = desk.jobs.get(name)
        assert stored.due_ms is not None
        run = skipped_run(stored.due_ms, "paused", job=name)
        firings.append(
            Firing(
                job=name, revision=stored.revision, runs=(run,), expected=score_of(stored.due_ms),
                following=score_of(stored.due_ms + 1),
            )
        )  # fmt: skip
    return firings


def test_answers_come_in_the_order_of_the_requests_and_an_error_is_one_of_them(desk: Desk) -> None:
    line = Line(desk.store.client)
    line.send(("SET", "dkronpy:epoch", 1), ("HGET", "dkronpy:epoch", "a"))
    line.send(("GET", "dkronpy:epoch"))

    first, second, third = (line.receive() for _ in range(3))

    line.close()
    assert (first, third) == (b"OK", b"1")
    assert isinstance(second, redis.ResponseError)


def test_nobody_gets_an_answer_that_was_meant_for_another(desk: Desk) -> None:
    line = Line(desk.store.client)
    line.send(("ECHO", "for me"))
    line.close()

    assert desk.store.client.echo("for the next") == b"for the next"


def test_commits_are_answered_in_order(desk: Desk) -> None:
    epoch, firings = desk.lead(), _owed_by_many(desk, 3)
    with desk.ledger.commits(epoch=epoch) as commits:
        commits.send(firings[:2])
        commits.send([firings[2], firings[2]])
        assert commits.full
        first, second, third = commits.receive(), commits.receive(), commits.receive()

    assert first is not None
    assert second is not None
    assert (first.firings, first.codes) == (firings[:2], [1, 1])
    assert (second.firings, second.codes) == ([firings[2], firings[2]], [1, 0])
    assert second.now_ms >= first.now_ms > 0
    assert third is None


def test_a_server_that_has_forgotten_the_steps_is_told_them_anew(desk: Desk) -> None:
    epoch, firings = desk.lead(), _owed_by_many(desk, 2)
    desk.store.client.script_flush()
    with desk.ledger.commits(epoch=epoch) as commits:
        commits.send(firings[:1])
        commits.send(firings[1:])
        answers = [commits.receive(), commits.receive()]

    assert [answer and answer.codes for answer in answers] == [[1], [1]]


def test_a_full_server_s_refusal_is_raised(desk: Desk) -> None:
    epoch, firings = desk.lead(), _owed_by_many(desk, 1)
    desk.store.client.config_set("maxmemory", 1)
    try:
        with desk.ledger.commits(epoch=epoch) as commits:
            commits.send(firings)
            with pytest.raises(redis.OutOfMemoryError):
                commits.receive()
    finally:
        desk.store.client.config_set("maxmemory", 0)
