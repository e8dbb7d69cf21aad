"""The server counts what the events tell. Where an event tells all of it, that is what the record says as well."""

from __future__ import annotations

from dkronpy.api.keys import keys_of
from dkronpy.api.tally import BEGAN, LAG, QUEUED, TOOK, Tally
from dkronpy.client import Client
from dkronpy.execution import ExecutionState
from dkronpy.settings import Settings
from dkronpy.store.events import changes_of, each_of
from dkronpy.store.ledger import End, RunPlan
from tests.integration.store.plans import SECOND, Desk, scheduled_run

Counts = dict[str, dict[bytes, bytes]]
TIMINGS = (b"queued", b"started", b"began")


def counted(desk: Desk) -> Counts:
    """What a server counts of all events, from nothing on."""
    keys, store = keys_of(desk.store), desk.store.client
    hashes = [keys.totals, keys.days, keys.due_times, *map(keys.histogram, (QUEUED, LAG, BEGAN, TOOK))]
    store.delete(keys.cursor, *hashes)
    client = Client(Settings(store_url=desk.store.url))
    tally = Tally(client)
    while tally.step():
        pass
    tally.flush()
    client.close()
    found = {name: store.hgetall(name) for name in hashes}
    store.delete(keys.cursor, *hashes)
    return found


def ends(desk: Desk, due_ms: int, *, success: bool = True, **fields: object) -> str:
    """A run that was due then, and takes a while; the id of its execution."""
    (execution,) = desk.queued(due_ms=due_ms, **fields)
    claim = desk.claim(execution)
    reason = "" if success else "exit"
    desk.ledger.finish(execution, claim.token, success=success, reason=reason, began_ms=claim.now_ms + 7)
    return execution


def told(desk: Desk) -> dict[str, ExecutionState]:
    """The executions of whose end an event tells all that is counted."""
    rows = [each for _, row in desk.store.client.xrange(desk.store.keys.events) for each in each_of(row)]
    rows = [row for row in rows if set(TIMINGS) <= set(row)]
    return {row[b"execution"].decode(): row[b"state"].decode() for row in rows}


def without_timings(desk: Desk) -> None:
    """The same events, as earlier versions told them."""
    keys, client = desk.store.keys, desk.store.client
    rows = [fields for _, fields in client.xrange(keys.events)]
    client.delete(keys.events)
    for fields in rows:
        client.xadd(keys.events, {name: value for name, value in fields.items() if name not in TIMINGS})


def test_what_an_event_tells_is_counted_as_its_record_would_be(desk: Desk) -> None:
    now = desk.store.now_ms()
    late, failed = ends(desk, now - 90 * SECOND), ends(desk, now - 3 * SECOND, success=False)
    ends(desk, now - SECOND)
    assert told(desk)[late] == "success"
    assert told(desk)[failed] == "failed"

    counts = counted(desk)
    without_timings(desk)

    assert counts[keys_of(desk.store).totals] == {b"success": b"2", b"failed": b"1"}
    assert all(counts.values())
    assert told(desk) == {}
    assert counted(desk) == counts


def test_of_a_second_attempt_a_chained_and_a_lost_one_the_record_is_asked(desk: Desk) -> None:
    desk.lead()
    (again,) = desk.queued(due_ms=60 * SECOND, max_attempts=2)
    first = desk.claim(again)
    desk.ledger.finish(again, first.token, success=False, reason="exit", pause_ms=0)
    desk.look_now(again)
    desk.reap()
    second = desk.claim(again)
    desk.ledger.finish(again, second.token, success=True)
    plan = scheduled_run(desk.store, 120 * SECOND, "web1")
    chained = RunPlan(id=plan.id, due_ms=plan.due_ms, executions=plan.executions, trigger="chained")
    assert desk.fire(chained) == 1
    claim = desk.claim(plan.executions[0].id)
    desk.ledger.finish(claim.execution.id, claim.token, success=True)
    lost = desk.claimed(due_ms=180 * SECOND)
    desk.look_now(lost.execution.id)
    desk.reap()
    assert told(desk) == {}

    keys = keys_of(desk.store)
    counts = counted(desk)

    assert counts[keys.totals] == {b"success": b"2", b"lost": b"1"}
    assert sum(int(n) for bound, n in counts[keys.histogram(TOOK)].items() if not bound.endswith(b"sum")) == 4
    assert sum(int(n) for bound, n in counts[keys.histogram(LAG)].items() if not bound.endswith(b"sum")) == 2


def test_a_loss_that_is_read_after_its_amendment_is_counted_as_one_that_was_read_before(desk: Desk) -> None:
    desk.lead()
    sums = []
    for due_ms, between in ((60 * SECOND, True), (120 * SECOND, False)):
        client = Client(Settings(store_url=desk.store.url))
        tally, keys = Tally(client), keys_of(desk.store)
        hashes = [keys.totals, keys.days, keys.due_times, *map(keys.histogram, (QUEUED, TOOK))]
        desk.store.client.delete(desk.store.keys.events, keys.cursor, *hashes)
        lost = desk.claimed(due_ms=due_ms)
        desk.look_now(lost.execution.id)
        desk.reap()
        if between:
            tally.step()
        assert desk.ledger.finish(lost.execution.id, lost.token, success=True)[0] == "amended"
        tally.step()
        tally.flush()
        client.close()
        counts = {name: desk.store.client.hgetall(name) for name in hashes}
        sums.append({
            name: {field: int(value) for field, value in row.items() if not field.endswith(b"sum")}
            for name, row in counts.items()
        })  # fmt: skip
        if between:
            assert counts[keys.totals] == {b"lost": b"1", b"amended": b"1"}
    sums = [{name: sorted(row.values()) for name, row in found.items()} for found in sums]
    assert sums[0] == sums[1]


def test_of_two_servers_that_read_the_same_one_counts_it(desk: Desk) -> None:
    client, keys = Client(Settings(store_url=desk.store.url)), keys_of(desk.store)
    one, other = Tally(client), Tally(client)
    ends(desk, 60 * SECOND)
    one.step()
    other.step()
    ends(desk, 120 * SECOND)
    other.step()
    assert other.flush()
    assert not one.flush(), "the other one has counted that"
    ends(desk, 180 * SECOND)
    one.step()
    assert one.flush()
    assert not one.flush(), "nothing has happened since"
    client.close()

    assert desk.store.client.hgetall(keys.totals) == {b"success": b"3"}
    counts = counted(desk)
    assert counts[keys.totals] == {b"success": b"3"}


def test_a_server_that_ends_writes_what_it_has_counted(desk: Desk) -> None:
    client, keys = Client(Settings(store_url=desk.store.url)), keys_of(desk.store)
    ends(desk, 60 * SECOND)
    tally = Tally(client)
    tally.step()
    ends(desk, 120 * SECOND)
    tally.step()
    assert desk.store.client.hgetall(keys.totals) == {}
    tally.start()
    tally.stop()
    client.close()
    assert desk.store.client.hgetall(keys.totals) == {b"success": b"2"}


def test_a_reason_of_two_lines_is_told_in_one_and_counted(desk: Desk) -> None:
    now = desk.store.now_ms()
    claims = [desk.claimed(due_ms=now - seconds * SECOND) for seconds in (1, 2)]

    desk.ledger.finish_all([
        End(execution_id=claim.execution.id, token=claim.token, success=False, reason=reason)
        for claim, reason in zip(claims, ("exit", "it broke\r\nin two"), strict=True)
    ])  # fmt: skip

    (entry,) = [row for _, row in desk.store.client.xrange(desk.store.keys.events) if row[b"event"] == b"execution"]
    assert [change["reason"] for change in changes_of(entry)] == ["exit", "it broke in two"]
    assert counted(desk)[keys_of(desk.store).totals] == {b"failed": b"2"}
