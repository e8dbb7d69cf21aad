"""Finds the containers that no living agent watches any more, by their labels, and removes them.

An agent that is killed leaves its containers running. Each bears the node's name and the process that watches it,
so that the next agent of the node can tell which are lost, even where several share an engine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound

from dkronpy.plugins.executor import ExecutionContext

from ._docker_values import LABEL

if TYPE_CHECKING:
    from ._docker_engine import Engine

log = logging.getLogger(__name__)

NODE, EXECUTION, TOKEN, AGENT = f"{LABEL}node", f"{LABEL}execution", f"{LABEL}token", f"{LABEL}agent"


def labels_of(context: ExecutionContext) -> dict[str, str]:
    """The labels by which a container tells whose it is."""
    return {
        EXECUTION: context.execution_id,
        f"{LABEL}run": context.run_id,
        f"{LABEL}job": context.job,
        f"{LABEL}attempt": str(context.attempt),
        TOKEN: str(context.token),
        NODE: context.node,
        AGENT: this_process(),
    }


def this_process() -> str:
    """This process, told from every other of this machine, also from later ones with the same number."""
    pid = os.getpid()
    return f"{_boot()}/{_namespace()}/{pid}/{_started(pid)}"


def is_alive(process: str) -> bool:
    """Whether the *process* of that name still runs. One that cannot be seen from here does not count."""
    boot, namespace, pid, started = [*process.split("/"), "", "", ""][:4]
    if (boot, namespace) != (_boot(), _namespace()) or not pid.isdigit():
        return False
    return started == _started(int(pid)) != ""


def remove_leftovers(engine: Engine, node: str, running: Collection[str]) -> list[str]:
    """Remove the containers of *node* that nobody watches, but not those that are *running* here; their names."""
    ours = this_process()
    removed = []
    for container in engine.api.containers(all=True, filters={"label": f"{NODE}={node}"}):
        name, agent = container["Names"][0].lstrip("/"), container["Labels"].get(AGENT, "")
        if name in running or (agent != ours and is_alive(agent)):
            continue
        if _remove(engine, container["Id"]):
            log.warning("removed container %s of execution %s, which nobody watched", name, _execution(container))
            removed.append(name)
    return removed


def remove_earlier(engine: Engine, context: ExecutionContext) -> None:
    """Remove what earlier attempts of this execution left, on whatever node: its fencing token is lower.

    Raises APIError where one cannot be removed, for then two attempts would run at once.
    """
    for container in engine.api.containers(all=True, filters={"label": f"{EXECUTION}={context.execution_id}"}):
        token = container["Labels"].get(TOKEN, "")
        if token.isdigit() and int(token) < context.token:
            with suppress(NotFound):
                engine.api.remove_container(container["Id"], force=True, v=True)


def _remove(engine: Engine, container: str) -> bool:
    try:
        engine.api.remove_container(container, force=True, v=True)
    except NotFound:
        return False
    except APIError as error:  # it is being removed already, or hangs: the others shall still go
        log.warning("cannot remove container %s: %s", container[:12], error.explanation)
        return False
    return True


def _execution(container: dict[str, dict[str, str]]) -> str:
    return container["Labels"].get(EXECUTION, "?")


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    return ""


def _started(pid: int) -> str:
    """When the process was started, in ticks since the machine was; empty if there is none."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""
