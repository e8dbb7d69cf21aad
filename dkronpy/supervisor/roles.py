"""The roles of one `up`: their command lines, and the environment that hands the settings in force to them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from dkronpy.deployment import CONFIG_VARIABLE
from dkronpy.schedule.durations import format_duration
from dkronpy.settings import Settings, Sources, env_name
from dkronpy.supervisor.embedded import ENVIRONMENT, EmbeddedStore
from dkronpy.supervisor.health import HEALTH_VARIABLE
from dkronpy.supervisor.process import Role

_MARGIN = timedelta(seconds=5)
"""What an agent needs besides its grace periods: to write its last reports."""


def role_environment(
    environ: Mapping[str, str],
    settings: Settings,
    sources: Sources,
    *,
    config: str,
    health_url: str,
    overrides: Mapping[str, Any],
) -> dict[str, str]:
    """What beat and agent find in their environment.

    Settings that came from flags, and *overrides* by name, are written there; the others the roles read themselves
    from where this program read them.
    """
    flags = {name: getattr(settings, name) for name, source in sources.items() if source.kind == "flag"}
    given = {env_name(name): _as_text(value) for name, value in {**flags, **overrides}.items()}
    return {
        **environ,
        **given,
        CONFIG_VARIABLE: config,
        HEALTH_VARIABLE: health_url,
        "PYTHONUNBUFFERED": "1",
    }


def store_role(store: EmbeddedStore, environ: Mapping[str, str]) -> Role:
    """The embedded store."""
    tuned = {**ENVIRONMENT, **environ}
    return Role(name="store", command=tuple(store.command), environment=tuned, stop_within=timedelta(seconds=15))


def beat_role(environment: Mapping[str, str]) -> Role:
    """Beat."""
    return Role(name="beat", command=_dkronpy("beat"), environment=environment)


def agent_role(environment: Mapping[str, str], settings: Settings) -> Role:
    """The agent of this machine's node."""
    return Role(
        name="agent",
        command=_dkronpy("agent"),
        environment=environment,
        stop_within=settings.stop_grace + settings.kill_grace + _MARGIN,
    )


def server_role(environment: Mapping[str, str], *, next_port: bool) -> Role:
    """The HTTP API; with *next_port* on the next free port where its own is taken."""
    options = ("--next-port",) if next_port else ()
    return Role(name="server", command=(*_dkronpy("server"), *options), environment=environment)


def can_serve() -> bool:
    """Whether the extra ``web`` is installed."""
    return all(find_spec(package) is not None for package in ("litestar", "uvicorn", "prometheus_client"))


def _dkronpy(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "dkronpy", command)


def _as_text(value: Any) -> str:
    """A setting as the environment writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={content}" for name, content in value.items())
    return str(value)
