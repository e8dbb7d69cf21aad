"""Calling a Python callable in the forked child of an attempt, and telling the shim what came of it."""

from __future__ import annotations

import atexit
import gc
import importlib
import inspect
import os
import signal
import sys
import threading
import time
import traceback
import typing
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import msgspec

from dkronpy.agent.process_linux import show_environment
from dkronpy.agent.process_messages import RESULT_BYTES, Report, SpawnError, write_report
from dkronpy.agent.process_tree import EXECUTION_ID
from dkronpy.plugins.command import Command
from dkronpy.plugins.executor import RunContext

_FAILED_STATUS = 1
_MISSING = object()
_SOME_CONTEXT = {
    "execution_id": "", "run_id": "", "job": "", "node": "", "due": "2026-11-23T02:30:00Z", "attempt": 1, "token": 1,
}  # fmt: skip
_SOME_CALL = Command(callable="os:getpid", env={"PATH": "/bin", "TZ": "UTC", EXECUTION_ID: "-"})
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_STREAMS = (
    ("stdin", 0, "r", "surrogateescape"),
    ("stdout", 1, "w", "backslashreplace"),
    ("stderr", 2, "w", "backslashreplace"),
)


def run_callable(command: Command, report: int) -> NoReturn:
    """Import and call ``command.callable``, after ``rehearse``; write a ``Report`` to *report* and end the process.

    Ends with status 0 and a result, with 1 and ``executor_error`` for an exception (its traceback goes to
    the output), or as ``SystemExit`` says. Raises SpawnError where the callable does not exist.
    """
    _set_surroundings(command)
    status = 0
    try:
        function = _find_callable(command.callable or "")
        result = function(*_arguments(function, command), **command.kwargs)
        if inspect.iscoroutine(result):
            import asyncio

            result = asyncio.run(result)
        message = Report(result=_encode_result(result))
    except SpawnError:
        raise
    except SystemExit as exc:
        message = Report()
        status = _exit_status(exc)
    except BaseException as exc:  # noqa: BLE001 - whatever the user's code raises belongs into the output
        traceback.print_exc()
        message = Report(reason="executor_error", message=_one_line(exc))
        status = _FAILED_STATUS
    write_report(report, message)
    os.close(report)
    _finish(status)


def _set_surroundings(command: Command) -> None:
    """Signals, environment, import path and streams, as if this were a program of its own."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    gc.enable()
    os.environ.update(command.env)
    if EXECUTION_ID in command.env:
        show_environment(f"{EXECUTION_ID}={command.env[EXECUTION_ID]}".encode())
    time.tzset()
    sys.path[:0] = command.sys_path
    sys.argv = [command.callable or ""]
    importlib.invalidate_caches()
    for name, fd, mode, errors in _STREAMS:
        stream: Any = open(fd, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - to stay
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def rehearse(keep: frozenset[int]) -> None:
    """Be ready for a call: no environment, and of the descriptors above 2 those to *keep*.

    Then do once, to no effect, what every call begins and ends with, while nothing waits for this process: what a
    forked process writes to is copied page by page, and the pages that it is going to need are its own from here on.
    """
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - plain names
        if fd not in {0, 1, 2} | keep:
            with suppress(OSError):  # the one that listed them
                os.close(fd)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    os.environ.clear()
    _set_surroundings(_SOME_CALL)
    gc.disable()
    os.environ.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    function = _find_callable("os:getpid")
    _arguments(function, _SOME_CALL)
    msgspec.convert(_SOME_CONTEXT, RunContext)
    msgspec.json.encode(Report(result=_encode_result(function())))


def _find_callable(name: str) -> Callable[..., Any]:
    module_name, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name and f"{module_name}.".startswith(f"{exc.name}."):
            raise SpawnError(f"cannot import {name!r}: there is no module {exc.name!r} on this node") from exc
        raise
    for part in qualname.split("."):
        found = getattr(found, part, _MISSING)
    if found is _MISSING:
        raise SpawnError(f"cannot find {name!r}: {module_name} has no {qualname!r}")
    if not callable(found):
        raise SpawnError(f"cannot call {name!r}: it is a {type(found).__name__}, not a callable")
    return typing.cast("Callable[..., Any]", found)


def _arguments(function: Callable[..., Any], command: Command) -> tuple[Any, ...]:
    if not _wants_context(function):
        return command.args
    cancelled = threading.Event()
    context = msgspec.convert({**command.context, "cancelled": cancelled}, RunContext)

    def set_cancelled(_signal: int, _frame: object) -> None:
        # From another thread: the interrupted one may hold the event's own lock at this moment.
        threading.Thread(target=cancelled.set, daemon=True).start()

    signal.signal(signal.SIGTERM, set_cancelled)
    return (context, *command.args)


def _wants_context(function: Callable[..., Any]) -> bool:
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):  # builtins without a signature
        return False
    if first is None:
        return False
    annotation = first.annotation
    if isinstance(annotation, str):
        with suppress(Exception):  # an annotation that cannot be resolved is no RunContext of ours
            annotation = typing.get_type_hints(function).get(first.name)
    return annotation is RunContext


def _encode_result(result: Any) -> msgspec.Raw:
    """The result as JSON; text of at most 64,000 bytes for what has no JSON form or a longer one.

    The text is cut again where JSON takes more than twice as many bytes for it: no report may be longer than a packet.
    """
    try:
        encoded = msgspec.json.encode(result)
        msgspec.json.decode(encoded)
        text = encoded.decode()
    except Exception:  # noqa: BLE001 - anything at all may be returned, with any __repr__
        text = repr(result)
    else:
        if len(encoded) <= RESULT_BYTES:
            return msgspec.Raw(encoded)
    text = text.encode("utf-8", "replace")[:RESULT_BYTES].decode("utf-8", "ignore")
    while len(encoded := msgspec.json.encode(text)) > 2 * RESULT_BYTES + 2:  # control characters take six each
        text = text[: len(text) // 2]
    return msgspec.Raw(encoded)


def _exit_status(exc: SystemExit) -> int:
    """What ``sys.exit`` means: nothing is 0, a number is itself, anything else is printed and is 1."""
    if exc.code is None:
        return 0
    if isinstance(exc.code, int):
        return exc.code & 0xFF
    sys.stderr.write(f"{exc.code}\n")
    return _FAILED_STATUS


def _one_line(exc: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(exc), exc)).strip().replace("\n", " ")[:1000]


def _finish(status: int) -> NoReturn:
    """End as the interpreter would: wait for threads, run exit handlers, flush; but not the parent's code."""
    try:
        getattr(threading, "_shutdown")()  # noqa: B009 - as multiprocessing ends its children; typeshed lacks it
        atexit._run_exitfuncs()  # noqa: SLF001 - as above
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
