"""Problems of configuration files as people want to see them: file, line, column, the line itself, a
caret, a hint.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dkronpy.errors import DkronpyError, Problem

_BUILDERS = frozenset({"Job", "job", "but", "template"})
_WIDEST = 100


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in a file; lines and columns count from 1, and 0 means not known. ``text`` is the line
    itself.
    """

    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        parts = [shown_path(self.file), *(str(number) for number in (self.line, self.column) if number)]
        return ":".join(parts)


@dataclass(frozen=True, kw_only=True)
class FileProblem:
    """One thing that is wrong in a configuration file. ``job`` is empty when the file itself is at fault."""

    place: Place
    message: str
    job: str = ""
    field: str = ""
    hint: str = ""
    fatal: bool = dataclasses.field(default=False, compare=False)
    """Whether the rest of the file could not be read because of it."""

    def __str__(self) -> str:
        subject = ": ".join(part for part in (str(self.place), self.job, self.field, self.message) if part)
        lines = [subject]
        if self.place.text.strip():
            lines += _pointed(self.place)
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


def shown_path(file: str) -> str:
    """*file* relative to the current folder where it lies below it."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def _pointed(place: Place) -> list[str]:
    """The line of code and the caret under it, cut to what a terminal shows."""
    text = place.text.rstrip().expandtabs(1)
    indent = len(text) - len(text.lstrip())
    start = max(place.column - 1, indent)
    if start - indent > _WIDEST - 20:
        shown, caret = "..." + text[start - 40 : start - 40 + _WIDEST], 43
    else:
        shown, caret = text[indent : indent + _WIDEST], start - indent
    if len(text) - indent > _WIDEST and not text.endswith(shown[-20:]):
        shown += "..."
    if not place.column:
        return [f"    {shown}"]
    width = max(1, min(place.width, len(shown) - caret))
    return [f"    {shown}", "    " + " " * caret + "^" * width]


def place_of(file: str, line: int, fields: Iterable[str] = ()) -> Place:
    """Where the value of a job's field stands, for a job built at *line*; the call itself when it is
    not in it.

    *fields* is a path of keywords: ``("run", "method")`` is what ``run=Http(method=...)`` gives.
    """
    lines = source_lines(file)
    place = Place(file=file, line=line, text=lines[line - 1] if 0 < line <= len(lines) else "")
    path = tuple(fields)
    calls = [node for node in _calls(file) if node.lineno <= line <= (node.end_lineno or node.lineno)]
    if not calls:
        return place
    call = max(calls, key=lambda node: _likeness(node, line, path))
    node: ast.AST = _argument(call, path) or call.func
    return _at_node(place, node, lines)


def _likeness(call: ast.Call, line: int, path: tuple[str, ...]) -> tuple[bool, bool, bool, int]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    known = {keyword.arg for keyword in call.keywords}
    span = (call.end_lineno or call.lineno) - call.lineno
    return name in _BUILDERS, call.lineno == line, bool(path) and path[0] in known, -span


def _argument(call: ast.Call, path: tuple[str, ...]) -> ast.AST | None:
    """The node of the keyword that *path* leads to, as far as it can be followed."""
    found: ast.AST | None = None
    for name in path:
        inner = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        if inner is None:
            break
        found = inner
        if not isinstance(inner, ast.Call):
            break
        call = inner
    return found


def _at_node(place: Place, node: ast.AST, lines: list[str]) -> Place:
    line, offset = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    if not 0 < line <= len(lines):
        return place
    text = lines[line - 1]
    raw = text.encode()
    column = len(raw[:offset].decode(errors="replace"))
    same_line = getattr(node, "end_lineno", line) == line
    end = len(raw[: getattr(node, "end_col_offset", 0)].decode(errors="replace")) if same_line else len(text)
    return replace(place, line=line, column=column + 1, width=max(1, end - column), text=text)


@functools.lru_cache(maxsize=8)
def _nodes(code: bytes) -> tuple[ast.Call, ...]:
    try:
        return tuple(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    except (SyntaxError, ValueError):
        return ()


def _calls(file: str) -> tuple[ast.Call, ...]:
    """Every call in the file; none when it is not Python."""
    try:
        return _nodes(Path(file).read_bytes())
    except OSError:
        return ()


def source_lines(file: str) -> list[str]:
    """The lines of *file*, none when it cannot be read."""
    try:
        return Path(file).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def problem_in_job(job: str, problem: Problem, file: str, line: int, paths: Iterable[tuple[str, ...]]) -> FileProblem:
    """*problem* of the job built at *line*; the first of *paths* that leads to a value says where."""
    places = [place_of(file, line, path) for path in paths]
    fallback = place_of(file, line)
    place = next(
        (place for place in places if (place.line, place.column) != (fallback.line, fallback.column)), fallback
    )
    return FileProblem(place=place, job=job, field=problem.field, message=problem.message, hint=problem.hint)


def problem_of_error(error: BaseException, file: str, files: Iterable[str]) -> FileProblem:
    """What a file raised while it was loaded, at the line of the user's own that did it."""
    if isinstance(error, SyntaxError) and error.filename:
        lines = source_lines(error.filename)
        line = error.lineno or 0
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        width = (error.end_offset or 0) - (error.offset or 0) if error.end_lineno == line else 1
        place = Place(file=error.filename, line=line, column=error.offset or 0, width=max(1, width), text=text)
        return FileProblem(place=place, message=f"{type(error).__name__}: {error.msg}", fatal=True)
    known = set(files)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in known]
    if not frames:
        return FileProblem(place=Place(file=file), message=_said(error), hint=_hint(error), fatal=True)
    frame = frames[-1]
    line = frame.lineno or 0
    lines = source_lines(frame.filename)
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    column = len(text) - len(text.lstrip()) + 1
    place = Place(file=frame.filename, line=line, column=column, width=len(text.strip()) or 1, text=text)
    return FileProblem(place=place, message=_said(error), hint=_hint(error), fatal=True)


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, DkronpyError) else f"{type(error).__name__}: {error}".rstrip(": ")


def _hint(error: BaseException) -> str:
    if isinstance(error, DkronpyError):
        return error.hint
    import dkronpy

    if isinstance(error, NameError) and getattr(error, "name", None) in dkronpy.__all__:
        return f"from dkronpy import {error.name}"
    if isinstance(error, ImportError) and error.name == "dkronpy":
        from dkronpy.schedule.problems import did_you_mean

        return did_you_mean(str(error).partition("import name '")[2].partition("'")[0], dkronpy.__all__)
    return ""
