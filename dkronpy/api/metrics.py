"""``GET /metrics``: the state of the store as Prometheus reads it, asked for at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from litestar import Response
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from dkronpy.api.answers import Answer, AnyRequest
from dkronpy.api.due_tally import LATE_FIELD, LATE_MS, OUTCOMES
from dkronpy.api.handlers import route
from dkronpy.api.keys import keys_of
from dkronpy.api.node_metrics import node_metrics
from dkronpy.api.services import Services
from dkronpy.api.tally import BEGAN, BOUNDS, LAG, MOST_JOBS, OTHER, QUEUED, TOOK
from dkronpy.api.traffic import Traffic
from dkronpy.client.pools import Pool
from dkronpy.errors import DkronpyError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OUTCOMES = ("success", "failed", "skipped", "lost", "amended")

MOST_POOLS = 200
_OF_A_POOL: Sequence[tuple[str, str, Callable[[Pool], int]]] = (
    ("dkronpy_pool_slots", "Slots of a pool that jobs share.", lambda pool: pool.slots),
    ("dkronpy_pool_used", "Slots of it that are taken.", lambda pool: pool.used),
    ("dkronpy_pool_waiting", "Runs that wait for it.", lambda pool: len(pool.waiting)),
)


class Exporter:
    """Makes the metrics of one server. Every server tells the same about the store, so never add them up."""

    def __init__(self, services: Services, traffic: Traffic) -> None:
        self._services, self._traffic = services, traffic
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return bytes(generate_latest(self._registry))

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the store need not be there when the server starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything that is known now; without the store only that it is away."""
        yield self._answers()
        try:
            found = [*self._deployment(), *self._jobs(), *self._due_times(), *self._pools(), *self._histograms()]
        except DkronpyError:
            yield GaugeMetricFamily("dkronpy_store_up", "Whether the store answers.", value=0)
            return
        yield GaugeMetricFamily("dkronpy_store_up", "Whether the store answers.", value=1)
        yield from found

    def _answers(self) -> Metric:
        family = CounterMetricFamily(
            "dkronpy_http_answers", "Answers of this server.", labels=["method", "route", "status"]
        )
        for labels, count in sorted(self._traffic.all().items()):
            family.add_metric(list(labels), count)
        return family

    def _deployment(self) -> Iterator[Metric]:
        status = self._services.client.status()
        leader = status.leader
        keys, client = keys_of(self._services.store), self._services.store.client
        with self._services.store.errors():
            paused = client.exists(keys.paused)
        for name, text, value in (
            ("dkronpy_leader", "Whether a beat leads.", int(leader is not None)),
            ("dkronpy_leader_epoch", "How often the leadership was taken.", leader.epoch if leader else 0),
            ("dkronpy_late_seconds", "How long the oldest owed due time waits for beat.", status.late_ms / 1000),
            ("dkronpy_open_executions", "Executions that are not settled.", status.open_executions),
            ("dkronpy_jobs", "Jobs that are defined.", status.jobs),
            ("dkronpy_quarantined", "Entries and messages that were set aside.", status.quarantined),
            ("dkronpy_paused", "Whether submissions are paused.", paused),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        yield GaugeMetricFamily("dkronpy_store_ping_seconds", "How long the store takes to answer.", value=self._ping())
        yield from node_metrics(self._services, status)

    def _ping(self) -> float:
        began = self._services.clock.monotonic()
        with self._services.store.errors():
            self._services.store.client.ping()
        return self._services.clock.monotonic() - began

    def _jobs(self) -> Iterator[Metric]:
        store = self._services.store
        with store.errors():
            names = self._services.client.deployment.jobs.names()
            states = self._services.client.deployment.jobs.states(names[:MOST_JOBS])
            totals = store.client.hgetall(keys_of(store).totals)
        good = CounterMetricFamily(
            "dkron_job_executions_succeeded", "Executions that ended well, as the job counts them.", labels=["job_name"]
        )
        bad = CounterMetricFamily(
            "dkron_job_executions_failed", "Executions that failed, as the job counts them.", labels=["job_name"]
        )
        for name, state in states.items():
            good.add_metric([name], state.success_count)
            bad.add_metric([name], state.error_count)
        settled = CounterMetricFamily("dkronpy_executions", "Executions by outcome.", labels=["outcome"])
        for outcome in _OUTCOMES:
            settled.add_metric([outcome], max(0, int(totals.get(outcome.encode(), 0))))
        yield from (good, bad, settled)

    def _due_times(self) -> Iterator[Metric]:
        store = self._services.store
        with store.errors():
            counts = {
                name.decode(): int(value) for name, value in store.client.hgetall(keys_of(store).due_times).items()
            }
        settled = CounterMetricFamily("dkronpy_due_times", "Due times by what became of them.", labels=["outcome"])
        for outcome in OUTCOMES:
            settled.add_metric([outcome], counts.get(outcome, 0))
        yield settled
        late = f"Due times that beat came to more than {LATE_MS // 1000} s late."
        yield CounterMetricFamily("dkronpy_due_times_late", late, value=counts.get(LATE_FIELD, 0))

    def _pools(self) -> Iterator[Metric]:
        pools = self._services.client.pools.all()[:MOST_POOLS]
        for name, text, value in _OF_A_POOL:
            family = GaugeMetricFamily(name, text, labels=["pool"])
            for pool in pools:
                family.add_metric([pool.name], value(pool))
            yield family

    def _histograms(self) -> Iterator[Metric]:
        scheduled = "for scheduled runs."
        yield self._histogram(QUEUED, "dkronpy_queue_lag_seconds", f"From due time to the queue, {scheduled}")
        yield self._histogram(LAG, "dkronpy_start_lag_seconds", f"From due time to start, {scheduled}")
        yield self._histogram(
            BEGAN, "dkronpy_begin_lag_seconds", f"From due time to the executor's first instruction, {scheduled}"
        )
        yield self._histogram(TOOK, "dkronpy_attempt_duration_seconds", "How long an attempt took.")

    def _histogram(self, name: str, title: str, text: str) -> Metric:
        store = self._services.store
        with store.errors():
            rows = store.client.hgetall(keys_of(store).histogram(name))
        series: dict[str, dict[str, float]] = {}
        for field, value in rows.items():
            job, _, bound = field.decode().rpartition("|")
            series.setdefault(job, {})[bound] = float(value)
        family = HistogramMetricFamily(title, text, labels=["job_name"])
        for job, counts in sorted(series.items(), key=lambda pair: (pair[0] == OTHER, pair[0])):
            filled = accumulate(int(counts.get(str(place), 0)) for place in range(len(BOUNDS) + 1))
            bounds = [*(repr(bound) for bound in BOUNDS), "+Inf"]
            family.add_metric([job], list(zip(bounds, filled, strict=True)), sum_value=counts.get("sum", 0.0))
        return family


@route("GET", "/metrics", action="read", whole=True)
def metrics(request: AnyRequest) -> Answer:
    """Prometheus's text."""
    exporter: Exporter = request.app.state.exporter
    return Response(exporter.text(), headers={"Content-Type": CONTENT_TYPE}, media_type=CONTENT_TYPE)


ROUTES = [metrics]
