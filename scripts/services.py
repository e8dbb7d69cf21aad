"""Real servers in the background, for trying things by hand; the same that the tests start."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SERVICES_FOLDER") or Path(__file__).resolve().parent.parent / ".services")
STATE, LOG = FOLDER / "state.json", FOLDER / "log"
_START_SECONDS, _STOP_SECONDS = 180.0, 60.0


def main() -> int:
    """Do what the command line says; status 1 where it cannot be done, 3 where ``status`` finds nothing up."""
    parser = argparse.ArgumentParser(prog="scripts/services", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what)
        if name in ("up", "serve"):
            command.add_argument("names", nargs="*", metavar="NAME", help="all of them without a name")
    options = parser.parse_args()
    if options.command == "serve":
        serve(options.names)
        return 0
    if options.command == "up":
        return up(options.names)
    return {"down": down, "status": status, "env": env}[options.command]()


_COMMANDS = {
    "up": "start them in the background, and wait until they answer",
    "down": "stop them, and remove their data",
    "status": "say which are up, and where",
    "env": "print the variables by which programs find them, for eval",
    "serve": "start them in the foreground (what up does in the background)",
}


def up(names: list[str]) -> int:
    """Start the servers, unless some are up already."""
    if _alive(_state()):
        print("servers are up already; scripts/services down ends them", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    STATE.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", *names],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and not _state().get("ready"):
        if time.monotonic() > deadline:
            process.terminate()
        time.sleep(0.05)
    if process.poll() is None:
        return status()
    sys.stderr.write(LOG.read_text(errors="replace"))
    return 1


def down() -> int:
    """Stop whatever is up."""
    state = _state()
    if not _alive(state):
        STATE.unlink(missing_ok=True)
        print("nothing is up")
        return 0
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _alive(state):
        if time.monotonic() > deadline:
            print(f"process {state['pid']} does not end; {LOG} may say why", file=sys.stderr)
            return 1
        time.sleep(0.05)
    return 0


def status() -> int:
    """A line a server."""
    state = _state()
    if not _alive(state):
        print("nothing is up")
        return 3
    for name, variables in state["services"].items():
        print(f"{name:15}{' '.join(f'{key}={value}' for key, value in variables.items())}")
    return 0


def env() -> int:
    """The variables of all servers, as a shell reads them."""
    state = _state()
    if not _alive(state):
        print("nothing is up; scripts/services up starts servers", file=sys.stderr)
        return 1
    for variables in state["services"].values():
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


def serve(names: Iterable[str]) -> None:
    """Start what is named, write down where it is, wait for Ctrl-C or TERM, stop all."""
    from scripts.services_catalogue import SERVICES

    chosen = tuple(dict.fromkeys(names)) or tuple(SERVICES)
    if unknown := set(chosen) - set(SERVICES):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; accepted: {', '.join(SERVICES)}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    services: dict[str, Any] = {}
    with contextlib.suppress(KeyboardInterrupt), ExitStack() as stack:
        FOLDER.mkdir(parents=True, exist_ok=True)
        stack.callback(STATE.unlink, missing_ok=True)
        for name in chosen:
            services[name] = dict(SERVICES[name](stack))
            print(f"{name:15}{services[name]}", flush=True)
        _write({"pid": os.getpid(), "ready": True, "services": services})
        while True:
            signal.pause()


def _stop(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _write(state: dict[str, Any]) -> None:
    fresh = STATE.with_suffix(".new")
    fresh.touch(mode=0o600)  # addresses hold passwords
    fresh.write_text(json.dumps(state))
    fresh.replace(STATE)


def _state() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _alive(state: dict[str, Any]) -> bool:
    """Whether the process that keeps the servers is still that one."""
    try:
        command = Path(f"/proc/{state['pid']}/cmdline").read_bytes()
    except (OSError, KeyError):
        return False
    return b"services.py" in command


if __name__ == "__main__":
    raise SystemExit(main())
