"""What a server keeps of all jobs is what the store has, whoever changed it and whatever became of the events."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest
import redis

from dkronpy.api.carry import carry_state
from dkronpy.api.catalogue import Catalogue, views_of
from dkronpy.client import Client, JobView
from dkronpy.clock import SystemClock
from dkronpy.job import Job, Run
from dkronpy.job.json import JobState
from dkronpy.settings import Settings
from tests.support import StoreServer


@pytest.fixture
def client(store: redis.Redis, store_server: StoreServer) -> Iterator[Client]:
    """A client of an empty store."""
    client = Client(Settings(store_url=store_server.url))
    yield client
    client.close()


def job(name: str, **fields: object) -> Job:
    return Job(name=name, run=Run("shell", {"command": "true"}), schedule="@every 1h", **fields)  # type: ignore[arg-type]


def stored(client: Client) -> list[JobView]:
    jobs = client.deployment.jobs
    return views_of(jobs, jobs.names())


@pytest.mark.unbounded_keys("its runs stay open: no agent takes them up")
def test_it_follows_every_kind_of_change(client: Client) -> None:
    catalogue = Catalogue(client, SystemClock())
    rng = random.Random(7)
    assert catalogue.views() == []
    names = [f"job-{number}" for number in range(12)]
    for step in range(150):
        name, known = rng.choice(names), {view.job.name for view in stored(client)}
        what = rng.choice(("save", "follow", "toggle", "delete", "figures", "run"))
        if what == "save":
            client.save_job(job(name, owner=str(rng.random())))
        elif what == "follow" and (parents := sorted(one for one in known if one < name)):
            client.save_job(job(name, after=rng.choice(parents)))  # never a later one: a circle is refused
        elif name in known:
            if what == "toggle":
                client.toggle_job(name)
            elif what == "delete":
                client.delete_job(name)
            elif what == "figures":
                carry_state(client.deployment.store, name, JobState(success_count=rng.randrange(100)))
            elif what == "run":
                client.run_job(name)
        assert catalogue.views() == stored(client), (step, what, name)


@pytest.mark.parametrize("loss", ["trimmed", "gone", "another store"])
def test_it_reads_everything_anew_where_events_are_missing(client: Client, store: redis.Redis, loss: str) -> None:
    catalogue = Catalogue(client, SystemClock())
    for name in ("a", "b"):
        client.save_job(job(name))
    assert len(catalogue.views()) == 2
    client.save_job(job("c"))
    if loss == "trimmed":
        client.save_job(job("d"))
        store.xtrim("dkronpy:events", maxlen=1, approximate=False)
    elif loss == "gone":
        store.delete("dkronpy:events")
    else:
        store.flushall()
        client.save_job(job("z"))
    assert catalogue.views() == stored(client)
    assert [view.job.name for view in catalogue.views()] == {
        "trimmed": ["a", "b", "c", "d"], "gone": ["a", "b", "c"], "another store": ["z"],
    }[loss]  # fmt: skip
    assert all(isinstance(view, msgspec.Struct) for view in catalogue.views())
