"""The checks of this machine: versions, configuration, executors, time zones, secrets, folders."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dkronpy.config import load_jobs
from dkronpy.errors import PluginError
from dkronpy.plugins.registry import executor_class, executor_names
from dkronpy.secrets.resolver import folders
from dkronpy.settings import Settings
from dkronpy.supervisor.checks import Finding, counted, fail, ok, run_checks, some, warn
from dkronpy.supervisor.embedded import find_server
from dkronpy.version import VERSION

OLDEST = {"celery": (5, 7), "kombu": (5, 7), "redis": (6, 1), "celery-redbeat": (2, 4)}
"""The packages whose version matters, and the oldest that serves."""
_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
_FEW_ZONES = 400


def check_machine(settings: Settings, config: str | None) -> Iterator[Finding]:
    """Every check that needs no store."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("versions", _versions),
        ("configuration", lambda: _configuration(config)),
        ("executors", _executors),
        ("time zones", _time_zones),
        ("secrets", lambda: _secrets(settings)),
        ("data folder", lambda: _data_folder(settings)),
    ]
    if settings.embedded:
        checks.append(("store program", _store_program))
    yield from run_checks(checks)


def _versions() -> Finding:
    found, old = [f"dkronpy {VERSION}", f"Python {platform.python_version()}"], []
    for package, least in OLDEST.items():
        try:
            text = version(package)
        except PackageNotFoundError:
            old.append(f"{package} is not installed")
            continue
        found.append(f"{package} {text}")
        if _numbers(text) < least:
            old.append(f"{package} {text} is older than {'.'.join(map(str, least))}")
    if old:
        return fail("versions", "; ".join(old), "pip install --upgrade dkronpy")
    return ok("versions", ", ".join(found))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _configuration(config: str | None) -> Finding:
    if config is None:
        return ok("configuration", "none here; jobs come over the API or the command line")
    loaded = load_jobs(config)
    if loaded.problems:
        first = str(loaded.problems[0]).splitlines()[0]
        told = f"{config} has {counted(len(loaded.problems), 'problem')}, the first: {first}"
        return fail("configuration", told, f"dkronpy validate {config}")
    return ok("configuration", f"{config}: {counted(len(loaded.jobs), 'job')} in {counted(len(loaded.files), 'file')}")


def _executors() -> Finding:
    wrong, fixes = [], []
    for name in executor_names():
        try:
            executor_class(name)
        except PluginError as error:
            wrong.append(str(error))
            fixes.append(error.hint)
    if not executor_names():
        return fail("executors", "none is installed", "pip install --force-reinstall dkronpy")
    if wrong:
        fix = next(filter(None, fixes), "see the error, or uninstall the plugin")
        return warn("executors", "; ".join(wrong), fix)
    return ok("executors", ", ".join(executor_names()))


def _time_zones() -> Finding:
    try:
        for name in _ZONES:
            ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        return fail("time zones", " ".join(str(error).split()), "pip install tzdata")
    count = len(available_timezones())
    if count < _FEW_ZONES:
        return warn("time zones", f"only {count} zones are known", "pip install tzdata")
    return ok("time zones", f"{count} zones")


def _secrets(settings: Settings) -> Finding:
    if settings.secrets_dir and not Path(settings.secrets_dir).is_dir():
        return fail("secrets", f"there is no folder {settings.secrets_dir}", "set DKRONPY_SECRETS_DIR to one that is")
    present = [folder for folder in folders(settings.secrets_dir) if folder.is_dir()]
    closed = [str(folder) for folder in present if not os.access(folder, os.R_OK | os.X_OK)]
    if closed:
        return fail("secrets", f"this user may not read {some(closed)}", f"chmod u+rx {closed[0]}, or chown it")
    where = some([str(folder) for folder in present]) or "no folder of secrets here"
    return ok("secrets", f"{where}; DKRONPY_SECRET_... variables")


def _data_folder(settings: Settings) -> Finding:
    folder = Path(settings.data_dir).expanduser().resolve()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return fail("data folder", f"this user may not write to {there}", "set DKRONPY_DATA_DIR to a folder of its own")
    free = os.statvfs(there)
    megabytes = free.f_bavail * free.f_frsize // 1_000_000
    if megabytes < 100:
        return warn("data folder", f"{folder} has {megabytes} MB left", "make room, or move data_dir")
    return ok("data folder", f"{folder}, {megabytes:,} MB free")


def _store_program() -> Finding:
    return ok("store program", str(find_server()))
