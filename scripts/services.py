"""Real servers in the foreground, for trying things by hand; the same that the tests start."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from contextlib import ExitStack

from tests.executors.services.kafka import KafkaServer
from tests.executors.services.nats import NatsServer
from tests.executors.services.rabbitmq import RabbitServer
from tests.services_postgres import PostgresServer
from tests.support import StoreServer

STARTS: dict[str, Callable[[ExitStack], str]] = {
    "redis": lambda stack: stack.enter_context(StoreServer(kind="redis")).url,
    "valkey": lambda stack: stack.enter_context(StoreServer(kind="valkey")).url,
    "postgres": lambda stack: stack.enter_context(PostgresServer()).url(),
    "kafka": lambda stack: str(stack.enter_context(KafkaServer()).address),
    "nats": lambda stack: str(stack.enter_context(NatsServer()).url),
    "rabbitmq": lambda stack: str(stack.enter_context(RabbitServer()).url()),
}
"""What starts each server, to be stopped with the stack, and gives its URL or address."""


def main() -> None:
    """Start what is named, print the addresses, wait for Ctrl-C or TERM, stop all."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = tuple(STARTS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all of them without a name")
    chosen = parser.parse_args().names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; accepted: {', '.join(names)}")
    ends = {signal.SIGINT, signal.SIGTERM}
    with ExitStack() as stack:
        for name in dict.fromkeys(chosen):
            print(f"{name:10}{STARTS[name](stack)}", flush=True)
        print("Ctrl-C stops them.", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now: children would inherit the mask
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
