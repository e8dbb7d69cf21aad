"""Where replicas have to know before anything follows: what a failover forgets was never answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
import redis

from dkronpy.errors import StoreUnavailableError
from dkronpy.store.confirm import NotReplicatedError, TooFewReplicasError
from dkronpy.store.connection import Store, check_durability
from dkronpy.store.ledger import Claim, End, Ledger
from tests.integration.store.plans import LEASE, Desk, backup
from tests.support import StoreServer, wait_until

SHORT_LEASE = 1000


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[StoreServer, StoreServer]]:
    """A master and its replica."""
    with StoreServer() as master, StoreServer(replicaof=f"127.0.0.1 {master.port}") as replica:
        yield master, replica


@pytest.fixture
def replica(servers: tuple[StoreServer, StoreServer]) -> Iterator[StoreServer]:
    """The replica, which has all there is; it runs again afterwards."""
    _, replica = servers
    with replica.client() as client:
        wait_until(
            lambda: client.info("replication")["master_link_status"] == "up", timeout=30, description="it has all"
        )
    yield replica
    replica.resume()


@pytest.fixture
def desk(servers: tuple[StoreServer, StoreServer], replica: StoreServer) -> Iterator[Desk]:
    master, _ = servers
    store = Store(master.url, replicas=1)
    desk = Desk(store)
    yield desk
    replica.resume()
    store.client.config_set("min-replicas-to-write", 0)
    desk.settle()
    store.client.flushall()
    store.close()


def test_a_claim_is_granted_once_the_replica_has_it(desk: Desk, replica: StoreServer) -> None:
    (name,) = desk.queued()
    replica.pause()
    answers: list[Claim | str] = []
    asking = threading.Thread(target=lambda: answers.append(desk.ledger.claim(name, 1, "web1", "web1:42", LEASE)))
    asking.start()
    wait_until(lambda: desk.state(name)[0] == "running", description="the master has recorded it")
    assert answers == []

    replica.resume()
    asking.join(timeout=30)

    (claim,) = answers
    assert isinstance(claim, Claim), claim
    with replica.client() as client:
        assert client.hget(desk.store.keys.execution(name), "token") == str(claim.token).encode()


def test_nothing_starts_that_no_replica_knows_of(desk: Desk, replica: StoreServer) -> None:
    (name,) = desk.queued()
    replica.pause()

    assert desk.ledger.claim(name, 1, "web1", "web1:42", SHORT_LEASE) == "is known to too few replicas"


def test_of_many_that_are_claimed_none_starts_that_no_replica_knows_of(desk: Desk, replica: StoreServer) -> None:
    names = [desk.queued(due_ms=minute * 60_000)[0] for minute in (1, 2)]
    replica.pause()

    answers = desk.ledger.claim_all([(name, 1) for name in names], "web1", "web1:42", SHORT_LEASE)

    assert answers == ["is known to too few replicas"] * 2


def test_ends_that_no_replica_knows_of_are_not_settled(desk: Desk, replica: StoreServer) -> None:
    claim = desk.claimed()
    replica.pause()

    with pytest.raises(NotReplicatedError):
        desk.ledger.finish_all([End(execution_id=claim.execution.id, token=claim.token, success=True)])


def test_an_outcome_that_is_told_again_is_confirmed_although_nothing_is_written(
    desk: Desk, replica: StoreServer
) -> None:
    claim = desk.claimed()
    replica.pause()
    for _ in range(2):
        with pytest.raises(NotReplicatedError, match="0 of 1 replicas have what was recorded"):
            desk.ledger.finish(claim.execution.id, claim.token, success=True)

    replica.resume()

    assert desk.ledger.finish(claim.execution.id, claim.token, success=True)[0] == "again"
    with replica.client() as client:
        assert client.hget(desk.store.keys.execution(claim.execution.id), "state") == b"success"


def test_who_saves_a_job_is_told_that_no_replica_has_it(desk: Desk, replica: StoreServer) -> None:
    replica.pause()
    with pytest.raises(StoreUnavailableError) as raised, desk.store.errors():
        desk.jobs.save(backup())
    assert "has too few replicas: 0 of 1 replicas have what was recorded" in str(raised.value)
    assert "INFO replication" in raised.value.hint


def test_a_master_that_has_lost_its_replica_takes_nothing_and_is_asked_again(desk: Desk, replica: StoreServer) -> None:
    (name,) = desk.queued()
    desk.store.client.config_set("min-replicas-to-write", 2)

    with pytest.raises(TooFewReplicasError, match="NOREPLICAS"):
        desk.ledger.claim(name, 1, "web1", "web1:42", LEASE)

    desk.store.client.config_set("min-replicas-to-write", 1)
    assert desk.claim(name).attempt == 1


def test_who_asks_for_no_replicas_meets_the_same_refusal_as_an_outage(
    servers: tuple[StoreServer, StoreServer], desk: Desk
) -> None:
    (name,) = desk.queued()
    desk.store.client.config_set("min-replicas-to-write", 2)
    plain = Store(servers[0].url)
    try:
        with pytest.raises(redis.ConnectionError):
            Ledger(plain).claim(name, 1, "web1", "web1:42", LEASE)
    finally:
        plain.close()


def test_the_durability_says_whether_a_failover_may_forget(desk: Desk) -> None:
    assert check_durability(desk.store, allow_volatile=False) == "D1"

    desk.store.client.config_set("min-replicas-to-write", 1)

    assert check_durability(desk.store, allow_volatile=False) == "D3"


def test_a_claim_behind_which_the_store_is_full_is_known_to_too_few(
    servers: tuple[StoreServer, StoreServer], desk: Desk
) -> None:
    client = desk.store.client
    for hour in range(32):
        # A little more room each time, until the claims are let in: they fill what there is, and the mark is refused.
        names = [desk.queued(due_ms=hour * 3_600_000 + minute * 60_000)[0] for minute in range(50)]
        client.config_set("maxmemory", client.info("memory")["used_memory"] + hour * 8192)
        answers: Sequence[object]
        try:
            answers = desk.ledger.claim_all([(name, 1) for name in names], "web1", "web1:42", SHORT_LEASE)
        except redis.RedisError as error:
            answers = [error]
        client.config_set("maxmemory", 0)
        if desk.state(names[0])[0] == "running":
            break
    assert answers == ["is known to too few replicas"] * 50
