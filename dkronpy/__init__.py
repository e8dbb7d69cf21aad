"""dkronpy: jobs defined once in Python, run on the right machines at the right moment, with a record of
every due time.

These names are all that a configuration needs. Each is imported when it is first used, so that ``import
dkronpy`` costs nothing and touches nothing; executors are found through their entry points, so that a
stranger's plugin stands beside ours. Type checkers find their types in ``__init__.pyi``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__ = [
    "Basic",
    "Bearer",
    "Calendar",
    "CeleryTask",
    "Client",
    "Docker",
    "Ecs",
    "Grpc",
    "Http",
    "Job",
    "Kafka",
    "Nats",
    "Notify",
    "Param",
    "PubSub",
    "Python",
    "RabbitMQ",
    "Retry",
    "Run",
    "RunContext",
    "ScheduleSpec",
    "Secret",
    "Shell",
    "Target",
    "all_nodes",
    "any_node",
    "at",
    "cron",
    "defaults",
    "every",
    "job",
    "manual",
    "moved",
    "on_node",
    "secret",
    "template",
]

_HOMES = {
    "dkronpy.remote.client": ("Client",),
    "dkronpy.config.declare": ("defaults", "job", "moved", "template"),
    "dkronpy.job": ("Job", "Run"),
    "dkronpy.node": ("Target", "all_nodes", "any_node", "on_node"),
    "dkronpy.job.notify": ("Notify",),
    "dkronpy.plugins.auth": ("Basic", "Bearer"),
    "dkronpy.plugins.executor": ("RunContext",),
    "dkronpy.job.retry": ("Retry",),
    "dkronpy.job.param": ("Param",),
    "dkronpy.schedule.calendar": ("Calendar",),
    "dkronpy.schedule": ("ScheduleSpec", "at", "cron", "every", "manual"),
    "dkronpy.secret": ("Secret", "secret"),
}


def __getattr__(name: str) -> Any:
    """The public name *name*, or the options of the executor that is called so; kept for the next time."""
    from importlib import import_module

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is not None:
        value = getattr(import_module(home), name)
    elif name[:1].isupper():
        from dkronpy.errors import PluginError
        from dkronpy.plugins.registry import options_by_class_name

        try:
            value = options_by_class_name(name)
        except PluginError as error:
            raise AttributeError(f"module 'dkronpy' has no attribute {name!r}: {error}") from None
    else:
        raise AttributeError(f"module 'dkronpy' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _always(name: str) -> property:
    """A public name that a module of the package bears too: importing that module must not hide it."""
    return property(lambda _package: __getattr__(name), lambda _package, _module: None)


class _Package(ModuleType):
    job = _always("job")
    secret = _always("secret")


sys.modules[__name__].__class__ = _Package
