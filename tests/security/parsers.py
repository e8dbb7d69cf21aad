"""Every parser of what comes from outside, by name: what it makes of any bytes, and what it may refuse them with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dkronpy.api.policies import parse_rules
from dkronpy.api.secrets_given import secret_of
from dkronpy.cli.times import read_moment
from dkronpy.errors import DkronpyError
from dkronpy.importers.crontab import read_crontab
from dkronpy.importers.dkron import read_dkron
from dkronpy.importers.kubernetes import read_kubernetes
from dkronpy.job import Job, Run
from dkronpy.job.json import decode_definition, decode_job, encode_definition
from dkronpy.node import Node
from dkronpy.node_expression import satisfies
from dkronpy.remote.stream import pieces, sent_events
from dkronpy.schedule import parse, parse_duration
from dkronpy.schedule.ics import read_ics
from dkronpy.settings import env_name, load_settings, setting_names
from dkronpy.web.ansi import to_html


class Parser(NamedTuple):
    """What is tried, and what it usually reads: a fuzzer begins with that."""

    read: Callable[[bytes], object]
    samples: Sequence[bytes]


_NODE = Node(name="n1", tags={"role": "web", "dc": "fra"}, load=0.5)
_JOB = Job(name="a", schedule="@daily", run=Run("shell", {"command": "x"}))
_MANIFEST = b"""apiVersion: batch/v1
kind: CronJob
metadata: {name: k}
spec:
  schedule: "0 * * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: busybox, command: [date]}]}}}}
"""
_SETTINGS = [env_name(name) for name in setting_names()]


def _text(function: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: function(data.decode("utf-8", "replace"))


def _crontab(text: str) -> object:
    return [read_crontab(text, system=system) for system in (False, True)]


def _settings(text: str) -> object:
    """A line a setting, counted from the first: the value of the environment's variable."""
    values = text.replace("\0", "").split("\n")
    return load_settings(None, dict(zip(_SETTINGS, values, strict=False)))


def _ansi(text: str) -> None:
    html = to_html(text)
    assert "<script" not in html.lower() or "&lt;script" not in text
    assert html.count("<span") == html.count("</span>")


def _moment(text: str) -> object:
    import click

    with suppress(click.UsageError):
        return read_moment(text, None, option="--at")
    return None


def _events(data: bytes) -> object:
    with suppress(ValueError, TypeError):  # a server that is none of ours; the client says so
        return list(pieces(sent_events(data.split(b"\n"))))
    return None


PARSERS: Mapping[str, Parser] = {
    "schedule": Parser(
        _text(parse), [b"*/5 * * * *", b"0 0 6 ? * MON-FRI", b"@every 1h30m", b"TZ=Europe/Berlin 30 2 L * *",
                       b"RRULE:FREQ=MONTHLY;BYDAY=-1FR", b"@at 2026-11-26T02:30:00Z", b"H H~3 * * 1#2"],
    ),
    "duration": Parser(_text(parse_duration), [b"1h30m", b"500ms", b"1.5h", b"2d", b"-3us"]),
    "moment": Parser(_text(_moment), [b"-2d", b"now", b"2026-11-26 02:30", b"yesterday", b"02:30"]),
    "job": Parser(
        decode_job, [b'{"name":"a","schedule":"@daily","executor":"shell","executor_config":{"command":"x"}}',
                     b'{"Name":"b","parent_job":"a","tags":{"role":"web:1"},"retries":2,"concurrency":"forbid"}'],
    ),
    "definition": Parser(decode_definition, [encode_definition(_JOB)]),
    "crontab": Parser(
        _text(_crontab),
        [b"MAILTO=a@b.c\n*/5 1-3 * JAN mon root /bin/x % y\n@reboot z\n", b"TZ=UTC\n0 0 1 1 * x 'y z'"],
    ),
    "dkron": Parser(read_dkron, [b'[{"name":"a","schedule":"@daily","executor":"shell","executor_config":{}}]']),
    "kubernetes": Parser(
        _text(read_kubernetes),
        [b"kind: CronJob\nmetadata: {name: k}\nspec: {schedule: '0 * * * *', jobTemplate: {}}", _MANIFEST],
    ),
    "settings": Parser(_text(_settings), [b"redis://127.0.0.1:6379/0\n1h\ntrue\n", b"\n".join([b"x"] * 40), b""]),
    "expression": Parser(
        _text(lambda text: satisfies(_NODE, text)), [b"role == 'web' and load < 0.7", b"not (tags['dc'] in ['fra'])"],
    ),
    "calendar": Parser(
        _text(lambda text: read_ics(text, "de")),
        [b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR"],
    ),
    "policy": Parser(_text(parse_rules), [b'{"path": {"/v1/jobs/*": {"capabilities": ["read"]}}}']),
    "authorization": Parser(_text(secret_of), [b"Bearer dkronpy_x", b"Basic YTpi"]),
    "ansi": Parser(_text(_ansi), [b"\x1b[31mred\x1b[0m \x1b[1;38;5;200mx\x1b[38;2;1;2;3my", b"\x1b]8;;u\x07<b>&\r\n"]),
    "events": Parser(_events, [b"id: 3\nevent: output\ndata: " + json.dumps("YWJj").encode() + b"\n\n: quiet\n\n"]),
}  # fmt: skip


def try_one(name: str, data: bytes) -> None:
    """Let a parser read *data*: it understands, or refuses in one of our own errors. Anything else is raised."""
    with suppress(DkronpyError):
        PARSERS[name].read(data)


def write_samples(name: str, folder: Path) -> None:
    """A file a sample, where a fuzzer begins."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(PARSERS[name].samples):
        (folder / f"{number}").write_bytes(sample)
