"""Finds plugins by name through entry points; ours come in by the same door as a stranger's."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from dkronpy.errors import PluginError
from dkronpy.plugins.executor import Executor
from dkronpy.plugins.options import Options
from dkronpy.plugins.values import did_you_mean

Kind = Literal["executor", "processor", "notifier"]

# A plugin's options class bears the plugin's name in capitals, unless it stands here.
_CLASS_NAMES = {"CeleryTask": "celery", "PubSub": "gcppubsub"}
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+).*\bextra == ['\"](?P<extra>[^'\"]+)['\"]")
_lock = threading.Lock()
_failures: dict[tuple[str, str], str] = {}


@functools.cache
def _registered(kind: Kind) -> Mapping[str, EntryPoint]:
    found = {entry.name: entry for entry in entry_points(group=f"dkronpy.{kind}s")}
    return MappingProxyType(dict(sorted(found.items())))


def names(kind: Kind) -> tuple[str, ...]:
    """The names of every registered plugin of *kind*, sorted; none of them is imported."""
    return tuple(_registered(kind))


def executor_names() -> tuple[str, ...]:
    """The names of every registered executor, sorted."""
    return names("executor")


@functools.cache
def plugin_class(kind: Kind, name: str) -> type[Any]:
    """The class that the plugin *name* of *kind* registers.

    Raises PluginError, in one line, for a name that nobody registered and for a plugin that cannot be
    imported; the latter is also kept for ``failures``. Other plugins are not affected.
    """
    entry = _registered(kind).get(name)
    if entry is None:
        known = ", ".join(names(kind)) or "none is installed"
        raise PluginError(f"there is no {kind} {name!r}; known: {known}", hint=did_you_mean(name, names(kind)))
    try:
        loaded = entry.load()
    except Exception as error:  # a stranger's module may raise anything, and only it shall suffer
        message = f"{kind} {name!r} cannot be used: {_why(entry, error)}"
        with _lock:
            _failures[kind, name] = message
        raise PluginError(message, hint=_install_hint(entry, error)) from error
    if not isinstance(loaded, type):
        raise PluginError(f"{kind} {name!r} cannot be used: {entry.value} is not a class")
    return loaded


def executor_class(name: str) -> type[Executor[Any]]:
    """The executor called *name*. Raises PluginError as ``plugin_class`` does."""
    loaded = plugin_class("executor", name)
    if not issubclass(loaded, Executor):
        raise PluginError(f"executor {name!r} cannot be used: {loaded.__qualname__} is not an Executor")
    return loaded


def options_type(name: str, kind: Kind = "executor") -> type[Options]:
    """The options of the plugin *name*. Raises PluginError as ``plugin_class`` does."""
    loaded = executor_class(name) if kind == "executor" else plugin_class(kind, name)
    options = getattr(loaded, "options", None)
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise PluginError(f"{kind} {name!r} cannot be used: {loaded.__qualname__} names no options")
    return options


def options_by_class_name(class_name: str) -> Any:
    """What an executor's module calls *class_name*: ``Shell``, ``Http``, ``PubSub``, ``Python``.

    It is what users call to make options. Raises PluginError if no executor is called so.
    """
    plugin = _CLASS_NAMES.get(class_name, class_name.lower())
    if plugin in executor_names() and class_name != plugin:
        module = sys.modules[executor_class(plugin).__module__]
        if (found := getattr(module, class_name, None)) is not None:
            return found
    raise PluginError(f"no executor's options are called {class_name!r}")


def missing_packages(kind: Kind, name: str) -> str:
    """What of the plugin's extra is not installed here, in one line with what to type; empty if nothing is missing.

    A plugin can be shown, and jobs for it saved, without its packages: only a node that runs it needs them.
    """
    entry = _registered(kind)[name]
    if entry.dist is None or not entry.extras:
        return ""
    wanted = [_REQUIREMENT.match(line) for line in entry.dist.requires or ()]
    packages = [found["name"] for found in wanted if found and found["extra"] in entry.extras]
    absent = [package for package in packages if not _is_installed(package)]
    if not absent:
        return ""
    return f'it needs {", ".join(absent)}: pip install "{entry.dist.name}[{",".join(entry.extras)}]"'


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def failures() -> dict[str, str]:
    """Why each plugin that failed to import cannot be used, by name; only of those that were asked for."""
    with _lock:
        return {name: message for (_, name), message in _failures.items()}


def import_extra(module: str, *, extra: str, plugin: str) -> ModuleType:
    """The *module* of an optional package, for a plugin to call when it first needs it.

    Raises PluginError with the one line to type when the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        line = f'pip install "dkronpy[{extra}]"'
        raise PluginError(f"{plugin!r} needs the package {error.name}: {line}", hint=line) from None


def _why(entry: EntryPoint, error: Exception) -> str:
    if hint := _install_hint(entry, error):
        return f"it needs the package {getattr(error, 'name', '')}: {hint}"
    return f"{entry.value} raised {type(error).__name__}: {error}"


def _install_hint(entry: EntryPoint, error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if not missing or missing.partition(".")[0] == entry.module.partition(".")[0]:
        return ""
    package = entry.dist.name if entry.dist is not None else "dkronpy"
    # The extra stands in the registration: `kafka = dkronpy.executors.kafka:KafkaExecutor [kafka]`
    return f'pip install "{package}[{",".join(entry.extras)}]"' if entry.extras else f"pip install {missing}"
