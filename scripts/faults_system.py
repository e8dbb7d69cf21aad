"""Hurt a whole deployment of real processes at random, and judge what it recorded.

Two beats, three agents and a store run a mix of jobs; the seed fixes which faults come, when, and for how long, not how
the processes interleave. The history is kept, so that it can be judged again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.verify.checker import check
from dkronpy.verify.history import History, read_history
from tests.faults import isolation
from tests.faults.system.machine import Machine
from tests.faults.system.nemesis import EVERY_FAULT, campaign
from tests.faults.system.world import World


def main(argv: list[str] | None = None) -> int:
    """Run rounds until the time is over; 1 at the first that is not clean."""
    parser = argparse.ArgumentParser(prog="scripts/faults system", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="where chance begins")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--round", type=float, default=60.0, metavar="SECONDS", help="how long a round is")
    parser.add_argument("--only", choices=sorted(EVERY_FAULT), action="append", help="only these faults; repeatable")
    parser.add_argument("--store", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--rabbitmq", action="store_true", help="the messages go by a RabbitMQ, which is hurt as well")
    parser.add_argument(
        "--replicated", action="store_true", help="the store has a replica, which takes its place again and again (D3)"
    )
    parser.add_argument(
        "--isolated",
        action="store_true",
        help="in a network and on disks of its own, where packets vanish and disks fill up (needs root)",
    )
    parser.add_argument("--judge", type=Path, metavar="FILE", help="judge a history that was kept, and nothing else")
    options = parser.parse_args(argv)
    if options.replicated and options.isolated:
        parser.error("--isolated hurts the disk of one store, --replicated has two")
    if options.judge:
        return judge(read_history(options.judge), options.judge)
    if options.isolated and not isolation.inside():
        os.execvp("unshare", isolation.command([sys.executable, *sys.orig_argv[1:]]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does, it ends what was started
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"seed {options.seed}, {options.minutes:g} minutes, logs in {folder}", flush=True)
    end, number = time.monotonic() + options.minutes * 60, 0
    while time.monotonic() < end:
        number += 1
        place = folder / f"round-{number}"
        place.mkdir()
        seconds = min(options.round, max(10.0, end - time.monotonic()))
        machine = Machine(
            place, store=options.store, rabbitmq=options.rabbitmq, isolated=options.isolated,
            replicated=options.replicated,
        )  # fmt: skip
        with machine, World(machine, place) as world:
            world.start()
            world.begin(seconds)
            campaign(world, options.seed + number - 1, seconds, options.only)
            history = world.history()
            crashes = world.crashes()
        history.write(place / "history.json")
        print(f"round {number}, seed {options.seed + number - 1}:", "; ".join(note.what for note in history.faults))
        if judge(history, place / "history.json") or crashes:
            print(*crashes, sep="\n")
            return 1
    return 0


def judge(history: History, path: Path) -> int:
    """Print what a history comes to; 1 when a promise was broken."""
    executions = [execution for job in history.jobs for execution in job.executions]
    states = Counter(execution.state for execution in executions)
    skipped = Counter(run.reason for job in history.jobs for run in job.runs if run.state == "skipped")
    owed = sum(len(job.owed) for job in history.jobs)
    print(
        f"  {owed} due times, {len(executions)} executions {dict(states)}, skipped {dict(skipped)},"
        f" {len(history.marks)} lines of jobs, {len(history.faults)} faults, {len(set(history.epochs))} leaders"
    )
    violations = check(history)
    for violation in violations[:20]:
        print(f"  {violation}")
    print(f"  {'clean' if not violations else f'{len(violations)} violations'} ({path})", flush=True)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
