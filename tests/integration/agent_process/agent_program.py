"""A process that owns a launcher as an agent does, with threads: runs the script it is given and says who is who."""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta

from dkronpy.agent.launcher import Command, Launcher


def main() -> None:
    execution_id, script, shim = sys.argv[1:4]
    launcher = Launcher(python_shim=shim == "python")
    launcher.start()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    env = {"PATH": os.environ["PATH"], "DKRONPY_EXECUTION_ID": execution_id}
    child = launcher.launch(Command(argv=("sh", script), env=env, grace=timedelta(seconds=30)))
    while b"ready" not in (child.read() or b""):
        pass
    print(f"child {child.pid}", flush=True)
    child.wait()


if __name__ == "__main__":
    main()
