"""A program for tests: supervises the roles that its argument names, with pauses short enough to be watched.

The argument is JSON: ``[{"name": "beat", "code": "python source", "stop_within": 5}]``, in the order of starting.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta

from dkronpy.clock import SystemClock
from dkronpy.supervisor.console import Console
from dkronpy.supervisor.process import Role
from dkronpy.supervisor.supervisor import BackOff, Supervisor

BACK_OFF = BackOff(first=timedelta(seconds=0.2), most=timedelta(seconds=0.8), steady=timedelta(seconds=5))


def main() -> None:
    """Supervise until a signal says to stop."""
    console = Console(sys.stdout, sys.stderr, os.environ, clock=SystemClock())
    supervisor = Supervisor(console, SystemClock(), BACK_OFF)
    with supervisor.signals():
        for role in json.loads(sys.argv[1]):
            supervisor.start(
                Role(
                    name=role["name"],
                    command=(sys.executable, "-c", role["code"]),
                    environment=os.environ,
                    stop_within=timedelta(seconds=role.get("stop_within", 5)),
                )
            )
        console.say("supervising")
        while not supervisor.stop_reason:
            supervisor.turn(timedelta(seconds=1))
        console.say(f"stopping: {supervisor.stop_reason}")
        supervisor.stop()
    console.say("stopped")


if __name__ == "__main__":
    main()
