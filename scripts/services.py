"""Real servers in the foreground, for trying things by hand; the same that the tests start."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack

from tests.services_postgres import PostgresServer
from tests.support import StoreServer


def start(name: str, stack: ExitStack) -> str:
    """Start one server, to be stopped with the stack; its URL."""
    if name == "postgres":
        return stack.enter_context(PostgresServer()).url()
    return stack.enter_context(StoreServer(kind="redis" if name == "redis" else "valkey")).url


def main() -> None:
    """Start what is named, print the addresses, wait for Ctrl-C or TERM, stop all."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("redis", "valkey", "postgres")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all of them without a name")
    chosen = parser.parse_args().names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; accepted: {', '.join(names)}")
    ends = {signal.SIGINT, signal.SIGTERM}
    with ExitStack() as stack:
        for name in dict.fromkeys(chosen):
            print(f"{name:10}{start(name, stack)}", flush=True)
        print("Ctrl-C stops them.", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now: children would inherit the mask
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
