"""Beat's scheduler: RedBeat's storage under our rules of leadership, commit and recovery.

One tick: ask for the lead; fire what is due, batch by batch; sweep; then wait until the next due time, a wake-up
call or the tick's length, whichever comes first. Whatever goes wrong, a tick returns: without the store one stands by
and asks again.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from typing import Any

import redis
from celery import Celery
from celery.beat import Scheduler as CeleryScheduler
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatScheduler

from dkronpy.clock import SystemClock
from dkronpy.deployment import deployment_of
from dkronpy.dispatch.courier import Courier, NoCourier
from dkronpy.dispatch.send import BrokerCourier, courier_for
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import DkronpyError, StoreUnavailableError
from dkronpy.node import Node
from dkronpy.notices.service import NotifierService
from dkronpy.results.resting import resting
from dkronpy.scheduler.aside import Aside
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.due import DueReader
from dkronpy.scheduler.entry import Entry
from dkronpy.scheduler.farewell import Farewell
from dkronpy.scheduler.keeping import Keeping
from dkronpy.scheduler.pacing import Pace, Pacer
from dkronpy.scheduler.shards import Led, Shards
from dkronpy.scheduler.sweep import Sweep
from dkronpy.scheduler.wakeup import WakeUp
from dkronpy.store.connection import connect
from dkronpy.store.quarantine import Quarantine
from dkronpy.tracer import open_tracer

log = logging.getLogger(__name__)

AWAY = (redis.ConnectionError, redis.TimeoutError, OperationalError, OSError, StoreUnavailableError)
OUTAGES = (redis.RedisError, OperationalError, OSError, DkronpyError)
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
SWEEP_SECONDS = 1.0
PREPARING_SECONDS = 0.02
"""Beat prepares for what is due next until so shortly before it."""
NODES_SECONDS = 0.5
"""How old the picture of the live nodes may be."""


class Scheduler(RedBeatScheduler):  # type: ignore[misc]  # no types there
    """``celery beat -S dkronpy.scheduler:Scheduler``; ``dkronpy beat`` starts the same."""

    Entry = Entry

    def __init__(self, app: Celery, *args: Any, **kwargs: Any) -> None:
        self.deployment = deployment_of(app)
        settings = self.deployment.settings
        self.clock = SystemClock()
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.stopping = threading.Event()
        self._installed = False
        self._failures = 0
        self._complaint = ""
        self._swept = float("-inf")
        self._nodes: list[Node] = []
        self._looked = float("-inf")
        self._build(app, random.Random())  # noqa: S311 - which of two nodes a run goes to is no secret
        super().__init__(app, *args, **kwargs)
        # RedBeat would take its own lock and die when it loses it; ours is `leader`
        self.lock_key = None
        self.max_interval = settings.tick.total_seconds()

    def _build(self, app: Celery, rng: random.Random) -> None:
        deployment, settings = self.deployment, self.deployment.settings
        store, ledger = deployment.store, deployment.ledger
        # RedBeat's own entries are kept in the same place, by a connection that ends in seconds as ours does
        app.redbeat_redis = connect(store.url, key=store.keys.prefix, decode=True)
        courier = courier_for(app, settings.broker_url, store.url)
        # Where messages cannot be part of the commit, the sweep that follows it sends them.
        self.sends_later = isinstance(courier, BrokerCourier)
        enclosing = NoCourier() if self.sends_later else courier
        planner = Planner(enclosing, rng, fired_by=self.holder)
        self.shards = Shards(
            ledger, self.clock, holder=self.holder, ttl_ms=int(settings.leader_ttl.total_seconds() * 1000),
            wanted=settings.shards,
        )  # fmt: skip
        self.pacer = Pacer(Pace(rate=settings.catch_up_rate, budget=settings.catch_up_budget))
        self.reader = DueReader(
            store, ledger, enclosing, planner, Quarantine(store), batch=settings.batch, pacer=self.pacer,
        )  # fmt: skip
        self.tracer = open_tracer(settings, "beat")
        results = resting(deployment.open_results(hurried=True), self.clock)
        chains = Chains(store, ledger, deployment.jobs, results, planner)
        farewell = Farewell(
            store, ledger, deployment.jobs, results, chains,
            keep_of=Keeping(deployment.jobs, settings, self.clock), tracer=self.tracer,
            leading=lambda epoch: self.shards.upkeep_epoch() == epoch,
        )  # fmt: skip
        self.sweeper = Sweep(store, ledger, courier, Aside(farewell), rng, reachable=_reachable(courier))
        self.wake_up = WakeUp(store)
        self.notifier = NotifierService(deployment)

    def setup_schedule(self) -> None:
        """RedBeat installs the application's static entries here; ours does so once the store is there."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One round; returns 0, since it has done its own waiting. It never raises."""
        self.notifier.start()
        try:
            wait = self._round()
        except OUTAGES as error:
            wait = self._outage(error)
        except Exception as error:  # whatever it is, a beat that ends helps nobody
            log.exception("a tick failed; standing by")
            wait = self._outage(error)
        else:
            self._recovered()
        if wait > 0 and not self.stopping.is_set():
            self.wake_up.wait(wait, self.stopping)
        return 0.0

    def _round(self) -> float:
        led = self.shards.ask()
        if not led.leads:
            return float(min(self.max_interval, max(0.05, led.wait_ms / 1000)))
        if not self._installed:
            super().setup_schedule()
            self._installed = True
        self.pacer.follow(self.deployment.store, tuple(lead.epoch for lead in led.leads.values()))
        self._refresh_nodes()
        if not self.shards.steady:
            return float(self.max_interval)
        fired = [
            self.reader.fire(lead.epoch, lead.now_ms, self._nodes, shard) for shard, lead in sorted(led.leads.items())
        ]
        self.pacer.save(self.deployment.store)
        self._send_plain(tuple(key for part in fired for key in part.plain))
        if not all(part.leading for part in fired):
            return 0.0
        again = any(part.again for part in fired)
        upkeep = led.leads.get(0)
        runs = any(part.runs for part in fired)
        if upkeep is not None and ((runs and self.sends_later) or (not again and self._sweep_due())):
            if self.sweeper.run(upkeep.epoch, self._nodes):
                return 0.0
            self._swept = self.clock.monotonic()
        ahead = [part.next_ms for part in fired if part.next_ms is not None]
        return 0.0 if again else self._prepare(led, min(ahead, default=None))

    def _prepare(self, led: Led, next_ms: int | None) -> float:
        """Use the pause until the next due time to prepare for it; how long it is then."""
        wait = self._pause(next_ms)
        if wait <= PREPARING_SECONDS:
            return wait
        until = self.clock.monotonic() + wait - PREPARING_SECONDS
        for shard, lead in sorted(led.leads.items()):
            self.reader.prepare(lead.now_ms, self._nodes, lambda: self.clock.monotonic() < until, shard)
        return self._pause(next_ms)

    def _refresh_nodes(self) -> None:
        now = self.clock.monotonic()
        if self.wake_up.called or now - self._looked >= NODES_SECONDS:
            self._nodes, self._looked = self.deployment.nodes.all(), now

    def _sweep_due(self) -> bool:
        return self.wake_up.called or self.clock.monotonic() - self._swept >= SWEEP_SECONDS

    def _pause(self, next_ms: int | None) -> float:
        now_ms = self.deployment.store.now_ms()
        until_due = float("inf") if next_ms is None else (next_ms - now_ms) / 1000
        return float(max(0.0, min(self.max_interval, until_due)))

    def _send_plain(self, keys: tuple[str, ...]) -> None:
        """Entries of the user's own tasks go out as RedBeat sends them; a broken one is set aside."""
        for key in keys:
            try:
                entry = self.Entry.from_key(key, app=self.app)
                self.maybe_due(entry, **self._maybe_due_kwargs)
            except (redis.ConnectionError, redis.TimeoutError, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - RedBeat's own loop dies here, and with it every other job
                self.reader.quarantine.entry(key, error)

    def _outage(self, error: Exception) -> float:
        """Say once what is wrong, stand by, and ask again at a growing pace."""
        self.shards.forget()
        self.wake_up.reset()
        # An outage shows itself in many words, one after the other: refused, closed, timed out, loading.
        complaint = "away" if isinstance(error, AWAY) else str(error)
        if complaint != self._complaint:
            self._complaint = complaint
            log.error("standing by, the store at %s cannot be used: %s", self.deployment.store.where, error)
        pause = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
        return pause

    def _recovered(self) -> None:
        if self._failures:
            log.warning("the store at %s works again", self.deployment.store.where)
            self._failures, self._complaint = 0, ""

    def close(self) -> None:
        """Give up the lead and let the connections go."""
        try:
            self.shards.release()
        except OUTAGES as error:
            log.warning("could not give up the lead: %s; it ends by itself", error)
        self.notifier.stop()
        self.wake_up.close()
        if self.tracer is not None:
            self.tracer.close()
        CeleryScheduler.close(self)

    @property
    def info(self) -> str:
        """What Celery's banner shows."""
        return f"       . store -> {self.deployment.store.where}"


def _reachable(courier: Courier) -> Callable[[], bool]:
    """Asks whether a message would go out now; the store's own ones do whenever the commit does."""
    return courier.is_reachable if isinstance(courier, BrokerCourier) else lambda: True
