"""Where the jobs that a configuration file builds are gathered; outside loading, building a job does
nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from dkronpy.errors import Problem


@dataclass
class Declared:
    """A job as a file built it: where its constructor was called, and what was wrong with the call itself."""

    job: Any
    file: str
    line: int
    problems: list[Problem]


@dataclass(frozen=True)
class Moved:
    """That a job has another name from now on, and where that is said."""

    old: Any
    new: Any
    file: str
    line: int


@dataclass
class Collection:
    """The jobs built while configuration is being loaded, in order, and which of them had another name; ``files`` holds
    the paths being loaded.
    """

    files: set[str] = field(default_factory=set)
    declared: list[Declared] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)


_collection: ContextVar[Collection | None] = ContextVar("dkronpy_collection", default=None)
_defaults: ContextVar[Mapping[str, Any]] = ContextVar("dkronpy_defaults", default={})  # noqa: B039 - never changed


@contextmanager
def collecting(collection: Collection) -> Iterator[Collection]:
    """Gather every job that is built within the block (in this thread or task) into *collection*."""
    token = _collection.set(collection)
    # A block that is left open by one file must not leak into the next.
    outer = _defaults.set({})
    try:
        yield collection
    finally:
        _defaults.reset(outer)
        _collection.reset(token)


def is_collecting() -> bool:
    """Whether a configuration file is being loaded here and now."""
    return _collection.get() is not None


def declare(job: Any, problems: list[Problem] | None = None) -> None:
    """Put *job* into the current collection, with the file and line that called its constructor."""
    collection = _collection.get()
    if collection is not None:
        file, line = _caller(collection.files)
        collection.declared.append(Declared(job, file, line, problems or []))


def declare_moved(old: Any, new: Any) -> None:
    """Note in the current collection that the job *new* was called *old*."""
    collection = _collection.get()
    if collection is not None:
        collection.moved.append(Moved(old, new, *_caller(collection.files)))


def withdraw(job: Any) -> None:
    """Take *job* out of the current collection again."""
    collection = _collection.get()
    if collection is not None:
        collection.declared = [one for one in collection.declared if one.job is not job]


def current_defaults() -> Mapping[str, Any]:
    """The fields that enclosing ``defaults`` blocks set."""
    return _defaults.get()


@contextmanager
def default_fields(fields: Mapping[str, Any]) -> Iterator[None]:
    """Within the block every job that does not give these fields itself has them; an inner block wins."""
    token = _defaults.set({**_defaults.get(), **fields})
    try:
        yield
    finally:
        _defaults.reset(token)


def _caller(files: set[str]) -> tuple[str, int]:
    """The nearest frame of a file that is being loaded, else the one outside this package."""
    frame = sys._getframe(2)  # noqa: SLF001 - the documented way to the caller's frame
    outside = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name in files:
            return name, frame.f_lineno
        if outside is None and not frame.f_globals.get("__name__", "").startswith("dkronpy."):
            outside = name, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return outside or ("", 0)
