"""Executions a second of every executor, and what each costs over the bare client library, in the same run.

Both do the same to the same server, one execution after the other, in turns: a round of ours, a round of the bare
client. Ours includes what a node does for every attempt: reading and rendering the options, secrets, the judgement.
Connections are kept, as both do. Figures are medians over the rounds of the medians of a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.executors.python import Python, PythonExecutor
from dkronpy.plugins.executor import Executor
from dkronpy.plugins.options import Options
from dkronpy.testing.harness import ExecutorHarness
from scripts.executor_peers import PEERS, Peer

MESSAGING = ("kafka", "nats", "rabbitmq", "rabbitmq, declaring", "gcppubsub", "celery")
PROMISED_MS = 1.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Milliseconds of one execution, ours and the bare client's, and how many of ours there are in a second."""

    executor: str
    ours_ms: float
    bare_ms: float
    overhead_ms: float
    per_second: int
    over: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON; status 1 when a messaging executor costs over a millisecond."""
    parser = argparse.ArgumentParser(prog="scripts/bench executors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=100, help="executions a round; a tenth where one takes long")
    parser.add_argument("--only", action="append", choices=PEERS, help="this executor; may be given several times")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures = [measure(name, options.rounds, options.count) for name in options.only or PEERS]
    starts = [python_start(options.rounds * options.count, pause) for pause in (0.0, 0.03)]
    if options.json:
        print(json.dumps({"executors": [asdict(one) for one in figures], "python_start_ms": starts}, indent=2))
    else:
        print(table(figures))
        print(f"a python callable's first instruction comes {starts[0]} ms after the node began with it (median)")
        print(f"where 30 ms lie between one attempt and the next, {starts[1]} ms")
    return 1 if any(one.executor in MESSAGING and one.overhead_ms >= PROMISED_MS for one in figures) else 0


def measure(name: str, rounds: int, count: int) -> Figures:
    """Both sides of one executor in turns."""
    with ExitStack() as stack:
        peer: Peer = PEERS[name](stack)
        harness = stack.enter_context(ExecutorHarness(job="bench"))
        stack.callback(peer.executor.close)
        count = max(1, count // 10) if peer.slow else count
        sides = (attempts(harness, peer.executor, peer.options), peer.bare)
        for side in sides:
            timed(side, max(1, count // 5))  # connections are made, modules are loaded
        pairs = [[timed(side, count) for side in sides] for _ in range(rounds)]
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figures(
        executor=name,
        ours_ms=round(ours, 3),
        bare_ms=round(bare, 3),
        overhead_ms=round(statistics.median(one - other for one, other in pairs), 3),
        per_second=round(1000 / ours),
        over=peer.over,
    )


def python_start(count: int, pause: float) -> float:
    """Median milliseconds from the begin of an attempt to the first instruction of its callable, in a process anew.

    Without a *pause* (in seconds) after each, the processes that wait for the next ones are made at the same time.
    """
    spent = []
    with ExitStack() as stack:
        harness = stack.enter_context(ExecutorHarness(job="bench"))
        executor = PythonExecutor()
        stack.callback(executor.close)
        for _ in range(count + 5):
            began = time.monotonic_ns()
            outcome, _ = harness.run(executor, Python("time:monotonic_ns"))
            spent.append((outcome.result - began) / 1e6)
            time.sleep(pause)
    return round(statistics.median(spent[5:]), 2)


def attempts(harness: ExecutorHarness, executor: Executor[Options], options: Options) -> Callable[[], None]:
    """What runs one attempt of an execution of its own, which has to be a success."""

    def attempt() -> None:
        harness.next_execution()
        outcome, _ = harness.run(executor, options)
        if not outcome.success:
            raise SystemExit(f"{options.plugin}: {outcome.message}")

    return attempt


def timed(work: Callable[[], None], count: int) -> float:
    """The median of the milliseconds that each of *count* calls took."""

    def spent() -> Iterator[float]:
        for _ in range(count):
            began = time.perf_counter_ns()
            work()
            yield (time.perf_counter_ns() - began) / 1e6

    return statistics.median(spent())


def table(figures: Sequence[Figures]) -> str:
    """A line an executor."""
    lines = [f"{'executor':<22}{'a second':>10}{'ours ms':>10}{'bare ms':>10}{'overhead ms':>13}  over"]
    for one in figures:
        times = f"{one.ours_ms:>10.2f}{one.bare_ms:>10.2f}{one.overhead_ms:>13.2f}"
        lines.append(f"{one.executor:<22}{one.per_second:>10}{times}  {one.over}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
