"""JSON files of a configuration: one job of Dkron's form, or an array of them, each with its place in
the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dkronpy.config.errors import FileProblem, Place
from dkronpy.errors import ConfigError, InvalidError, Problem
from dkronpy.job import Job
from dkronpy.job.json import decode_job
from dkronpy.job.shapes import json_type

_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class JsonJob:
    """A job of a JSON file, with where its object begins and ends in the text."""

    job: Job
    text: str
    start: int
    end: int


def read_json_file(file: Path) -> tuple[list[JsonJob], list[FileProblem]]:
    """The jobs of *file*, and what is wrong with the others."""
    try:
        text = file.read_text("utf-8-sig")
        objects = list(_objects(text))
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1] if error.doc.strip() else ""
        place = Place(file=str(file), line=error.lineno, column=error.colno, text=line)
        return [], [FileProblem(place=place, message=f"this is not JSON: {error.msg}", fatal=True)]
    except (OSError, ValueError, RecursionError) as error:
        return [], [FileProblem(place=Place(file=str(file)), message=f"cannot be read: {error}", fatal=True)]
    jobs, problems = [], []
    for value, start, end in objects:
        try:
            if not isinstance(value, dict):
                raise ConfigError(f"a job is a JSON object, not {json_type(value)}")
            job, _ = decode_job(value)
        except InvalidError as error:
            name = error.subject if error.subject != "job" else ""
            problems += [json_problem(name, problem, str(file), text, start, end) for problem in error.problems]
        except ConfigError as error:
            problems.append(FileProblem(place=_place(str(file), text, start, end), message=str(error)))
        else:
            jobs.append(JsonJob(job, text, start, end))
    return jobs, problems


def json_problem(job: str, problem: Problem, file: str, text: str, start: int, end: int) -> FileProblem:
    """*problem* of the job whose object stands at *start*, pointing at the field's value."""
    place = _place(file, text, *_value_span(text, start, end, problem.field))
    return FileProblem(place=place, job=job, field=problem.field, message=problem.message, hint=problem.hint)


def _objects(text: str) -> Iterator[tuple[Any, int, int]]:
    """Every job of the text, with its span: the elements of an array, or the one value."""
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        value, end = decoder.raw_decode(text, position)
        _expect(text, _skip(text, end), "")
        yield value, position, end
        return
    position = _skip(text, position + 1)
    while text[position : position + 1] != "]":
        value, end = decoder.raw_decode(text, position)
        yield value, position, end
        position = _skip(text, end)
        if text[position : position + 1] != "]":
            _expect(text, position, ",")
            position = _skip(text, position + 1)
    _expect(text, _skip(text, position + 1), "")


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _expect(text: str, position: int, mark: str) -> None:
    found = text[position : position + 1]
    if found != mark:
        raise json.JSONDecodeError(f"expected {mark!r}" if mark else "extra data", text, position)


# What a field of a job is called in Dkron's JSON, where that differs.
_KEYS = {
    "retry": "retries", "after": "parent_job", "on": "tags", "enabled": "disabled", "display_name": "displayname",
    "run": "executor",
}  # fmt: skip


def _value_span(text: str, start: int, end: int, field: str) -> tuple[int, int]:
    """Where the value of *field* stands within the object, or the object's beginning."""
    for key in (field.rpartition(".")[2], field.partition(".")[0], _KEYS.get(field, "")):
        match = re.compile(rf'"{re.escape(key)}"\s*:\s*', re.IGNORECASE).search(text, start, end) if key else None
        if match:
            _, stop = json.JSONDecoder().raw_decode(text, match.end())
            return match.end(), stop
    return start, start + 1


def _place(file: str, text: str, start: int, end: int) -> Place:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : len(text) if line_end < 0 else line_end]
    column = start - line_start
    return Place(
        file=file, line=text.count("\n", 0, start) + 1, column=column + 1,
        width=max(1, min(end - start, len(line) - column)), text=line,
    )  # fmt: skip
