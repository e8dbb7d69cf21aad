"""Puts data on standard output: tables for people, JSON and names for programs."""

from __future__ import annotations

import functools
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

from dkronpy.cli.failure import say
from dkronpy.cli.times import STYLES, Style, Times, rfc3339, span
from dkronpy.clock import SystemClock, from_ms

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Format = Literal["table", "wide", "json", "jsonl", "name"]
FORMATS: tuple[Format, ...] = ("table", "wide", "json", "jsonl", "name")
Kind = Literal["text", "time", "span", "state", "list", "tags", "truth"]
Row = Mapping[str, Any]

_FEW = (str, bool, type(None))
_COLOURS = {
    "success": "green", "failed": "red", "lost": "red", "partially_failed": "red", "skipped": "yellow",
    "running": "cyan", "queued": "cyan", "retry_wait": "yellow", "up": "green", "drained": "yellow", "down": "red",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its key in JSON and in ``--columns``, its heading, and how its values are shown to people.

    Values of kind ``time`` and ``span`` are milliseconds; JSON has the former as RFC 3339 text. ``wide`` columns are
    left out of a plain table.
    """

    name: str
    title: str = ""
    kind: Kind = "text"
    wide: bool = False

    @property
    def heading(self) -> str:
        """What stands above it."""
        return self.title or self.name.upper().replace("_", " ")

    def shown(self, value: Any, times: Times) -> str:
        """A value for people."""
        if type(value) is str and value and self.kind in ("text", "state"):
            return printable(value)
        if self.kind == "time":
            return times.show(value)
        if value is None or value in ("", [], {}):
            return "-"
        if self.kind == "span":
            return span(value)
        if self.kind == "list":
            return ",".join(map(str, value))
        if self.kind == "tags":
            return ",".join(f"{tag}={text}" for tag, text in value.items())
        if self.kind == "truth":
            return "yes" if value else "no"
        if isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False)
        return printable(str(value))

    def all_shown(self, values: Sequence[Any], times: Times) -> list[str]:
        """Many values for people; of texts and the like most columns have few that differ."""
        known = {value: self.shown(value, times) for value in {one for one in values if type(one) in _FEW}}
        return [known[one] if type(one) in _FEW else self.shown(one, times) for one in values]

    def machine(self, value: Any) -> Any:
        """A value for JSON."""
        if self.kind == "time":
            return rfc3339(from_ms(value)) if value else None
        return value


@dataclass(frozen=True, kw_only=True)
class Printer:
    """Prints rows in the form that the command line asked for. The first column is what ``-o name`` prints."""

    format: Format
    times: Times
    chosen: tuple[str, ...] = ()

    @property
    def for_people(self) -> bool:
        """Whether a person reads it, so that talk may accompany it."""
        return self.format in ("table", "wide")

    @property
    def brief(self) -> bool:
        """Whether only the columns of a plain table are printed."""
        return self.format in ("table", "name") and not self.chosen

    def rows(self, columns: Sequence[Column], rows: Sequence[Row], *, nothing: str = "") -> None:
        """Print many; *nothing* is said to a person when there are none."""
        columns = self._columns(columns)
        if self.format == "name":
            write("".join(f"{row[columns[0].name]}\n" for row in rows))
        elif self.format == "json":
            write_json([_machine(columns, row) for row in rows])
        elif self.format == "jsonl":
            for row in rows:
                write(json.dumps(_machine(columns, row), ensure_ascii=False) + "\n")
        elif rows:
            write(self._table(columns, rows))
        elif nothing:
            say(nothing)

    def record(self, columns: Sequence[Column], row: Row) -> None:
        """Print one thing, a line for each of its columns."""
        columns = self._columns(columns, wide=True)
        if self.format == "name":
            write(f"{row[columns[0].name]}\n")
        elif self.format == "json":
            write_json(_machine(columns, row))
        elif self.format == "jsonl":
            write(json.dumps(_machine(columns, row), ensure_ascii=False) + "\n")
        else:
            width = max(len(column.name) for column in columns)
            for column in columns:
                text = painted(column, row.get(column.name), column.shown(row.get(column.name), self.times))
                write(f"{column.name.replace('_', ' '):{width}}  {text}\n")

    def _columns(self, columns: Sequence[Column], *, wide: bool = False) -> list[Column]:
        by_name = {column.name: column for column in columns}
        for name in self.chosen:
            if name not in by_name:
                raise click.UsageError(f"--columns: there is no column {name!r}; known: {', '.join(by_name)}")
        if self.chosen:
            return [by_name[name] for name in self.chosen]
        wide = wide or self.format != "table"
        return [column for column in columns if wide or not column.wide]

    def _table(self, columns: Sequence[Column], rows: Sequence[Row]) -> str:
        shown = [column.all_shown([row.get(column.name) for row in rows], self.times) for column in columns]
        headings = [column.heading for column in columns]
        widths = [max(map(width_of, {heading, *texts})) for heading, texts in zip(headings, shown, strict=True)]
        lines = [_line(headings, widths)]
        states = [place for place, column in enumerate(columns) if column.kind == "state"] if in_colour() else []
        for row, *texts in zip(rows, *shown, strict=True):
            painted_texts = list(texts)
            for place in states:
                painted_texts[place] = painted(columns[place], row.get(columns[place].name), texts[place])
            lines.append(_line(painted_texts, widths, texts))
        return "".join(lines)


def data_options(time: Style = "relative") -> Callable[[FunctionT], Callable[..., Any]]:
    """``-o``, ``--columns`` and ``--time`` for a command that prints data; it is handed a ``printer``."""

    def decorate(function: FunctionT) -> Callable[..., Any]:
        @click.option(
            "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The form."
        )
        @click.option("--columns", metavar="NAMES", default="", help="Only these columns, separated by commas.")
        @click.option(
            "--time", type=click.Choice(STYLES), default=time, show_default=True, help="How moments are shown."
        )
        @functools.wraps(function)
        def wrapper(*args: Any, form: Format, columns: str, time: Style, **options: Any) -> Any:
            chosen = tuple(name.strip() for name in columns.split(",") if name.strip())
            times = Times(style=time, now_ms=SystemClock().now_ms())
            return function(*args, printer=Printer(format=form, times=times, chosen=chosen), **options)

        return wrapper

    return decorate


def write(text: str) -> None:
    """Put text on standard output."""
    sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """Put bytes on standard output as they are, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_json(value: Any) -> None:
    """Put a value on standard output as indented JSON."""
    write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def in_colour() -> bool:
    """Whether standard output is a terminal that wants colour (``NO_COLOR``, ``DKRONPY_FORCE_TTY``)."""
    if os.environ.get("NO_COLOR"):
        return False
    return sys.stdout.isatty() or bool(os.environ.get("DKRONPY_FORCE_TTY"))


def painted(column: Column, value: Any, text: str) -> str:
    """The text of a state in its colour, where there is colour."""
    colour = _COLOURS.get(str(value)) if column.kind == "state" else None
    return click.style(text, fg=colour) if colour and in_colour() else text


def printable(text: str) -> str:
    """Text on one line, without what would drive a terminal."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text.strip()


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _line(shown: Sequence[str], widths: Sequence[int], plain: Sequence[str] | None = None) -> str:
    plain = plain or shown
    if "".join(shown).isascii() and shown == plain:
        return "  ".join(map(str.ljust, shown, widths)).rstrip() + "\n"
    parts = [text + " " * (width - width_of(bare)) for text, bare, width in zip(shown, plain, widths, strict=True)]
    return "  ".join(parts).rstrip() + "\n"


def _machine(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    return {column.name: column.machine(row.get(column.name)) for column in columns}
