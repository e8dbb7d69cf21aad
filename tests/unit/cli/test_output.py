"""Tables for people, JSON for programs; moments as people write and read them."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone
from io import StringIO
from zoneinfo import ZoneInfo

import click
import pytest

from dkronpy.cli.flower import is_loopback
from dkronpy.cli.output import Column, Format, Printer, printable
from dkronpy.cli.times import Style, Times, now, read_moment, relative, rfc3339, span, spoken
from dkronpy.log import set_up_logging

NOW_MS = 1_795_000_000_000
COLUMNS = (
    Column(name="name"),
    Column(name="next_due", kind="time"),
    Column(name="state", kind="state"),
    Column(name="took", kind="span", wide=True),
)
ROWS = [
    {"name": "backup", "next_due": NOW_MS + 300_000, "state": "success", "took": 6_400},
    {"name": "日本", "next_due": None, "state": "", "took": None},
]


def printed(capsys: pytest.CaptureFixture[str], form: Format, *chosen: str, style: Style = "relative") -> str:
    Printer(format=form, times=Times(style=style, now_ms=NOW_MS), chosen=chosen).rows(COLUMNS, ROWS)
    return capsys.readouterr().out


def test_a_table_lines_up_also_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table").splitlines() == [
        "NAME    NEXT DUE  STATE",
        "backup  in 5 min  success",
        "日本    -         -",
    ]


def test_wide_shows_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "wide").splitlines()[1] == "backup  in 5 min  success  6.4 s"


def test_json_has_every_column_with_moments_as_rfc_3339(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = json.loads(printed(capsys, "json"))
    assert first == {"name": "backup", "next_due": "2026-11-18T11:11:40Z", "state": "success", "took": 6400}
    assert second["next_due"] is None


def test_json_lines_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "jsonl", "name", "took").splitlines()
    assert [json.loads(line) for line in lines] == [{"name": "backup", "took": 6400}, {"name": "日本", "took": None}]


def test_name_prints_names_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "name") == "backup\n日本\n"


def test_columns_are_chosen_by_name_and_an_unknown_one_is_named_with_those_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, "table", "took", "name").splitlines()[0] == "TOOK   NAME"
    with pytest.raises(click.UsageError, match="no column 'tuk'; known: name, next_due, state, took"):
        printed(capsys, "table", "tuk")


def test_states_are_coloured_only_where_colour_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in printed(capsys, "table")
    monkeypatch.setenv("DKRONPY_FORCE_TTY", "1")
    assert "\x1b[32msuccess\x1b[0m" in printed(capsys, "table")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed(capsys, "table")


def test_nothing_in_a_cell_can_drive_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\x07") == "a [31mb c"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "now"),
        (5_400, "in 5.4 s"),
        (-90_000, "1 min 30 s ago"),
        (7_200_000, "in 2 h"),
        (-187_200_000, "2 d 4 h ago"),
    ],
)
def test_distances_are_said_in_words(ms: int, text: str) -> None:
    assert relative(ms) == text


def test_spans_have_two_units_at_most() -> None:
    assert [span(ms) for ms in (0, 400, 59_600, 3_723_000)] == ["0.0 s", "0.4 s", "1 min", "1 h 2 min"]


def test_a_moment_is_shown_as_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Times(style="utc", now_ms=NOW_MS).show(NOW_MS) == "2026-11-18 11:06:40Z"
    assert Times(style="local", now_ms=NOW_MS).show(0) == "-"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T02:30:00Z", "2026-11-23T02:30:00Z"),
        ("2026-11-23T02:30:00.5+01:00", "2026-11-23T01:30:00.500Z"),
        ("2026-11-23 02:30", "2026-11-23T01:30:00Z"),
        ("2026-07-23T02:30:05", "2026-07-23T00:30:05Z"),
        ("2026-11-23", "2026-11-22T23:00:00Z"),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, moment: str) -> None:
    assert rfc3339(read_moment(text, ZoneInfo("Europe/Berlin"), option="--at")) == moment


def test_distances_count_from_now() -> None:
    for text, distance in (("-5m", timedelta(minutes=-5)), ("+1h30m", timedelta(minutes=90)), ("now", timedelta())):
        assert abs(read_moment(text, None, option="--at") - now() - distance) < timedelta(seconds=5)


def test_a_clock_time_is_today_in_the_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    moment = read_moment("02:30", berlin, option="--at").astimezone(berlin)
    assert (moment.hour, moment.minute, moment.date()) == (2, 30, now().astimezone(berlin).date())


@pytest.mark.parametrize("text", ["yesterday", "-soon", "25:61", ""])
def test_what_is_no_moment_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"--at.*accepted: 2026-11-23T02:30:00Z"):
        read_moment(text, None, option="--at")


def test_a_due_time_is_spoken_with_seconds_only_where_there_are_some() -> None:
    moment = datetime(2027, 3, 27, 1, 30, tzinfo=timezone.utc)
    assert spoken(moment, ZoneInfo("Europe/Berlin")) == "Sat 27 Mar 2027 02:30 CET"
    assert spoken(moment.replace(second=5, microsecond=250_000), timezone.utc) == "Sat 27 Mar 2027 01:30:05.250 UTC"


@pytest.mark.parametrize(
    ("address", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False), ("box.example", False)],
)
def test_only_loopback_counts_as_this_machine(address: str, is_local: bool) -> None:
    assert is_loopback(address) is is_local


@pytest.fixture
def log_stream() -> StringIO:
    return StringIO()


@pytest.fixture(autouse=True)
def root_logger() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_service_logs_lines_with_time_level_and_role(log_stream: StringIO) -> None:
    set_up_logging("beat", stream=log_stream)
    set_up_logging("beat", stream=log_stream)
    logging.getLogger("dkronpy.x").info("leading, epoch %d", 1)
    logging.getLogger("dkronpy.x").debug("not said")
    (line,) = log_stream.getvalue().splitlines()
    assert line.endswith(" info [beat] leading, epoch 1")
    datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f").astimezone()


def test_a_service_logs_an_object_a_line(log_stream: StringIO) -> None:
    set_up_logging("agent web1", form="json", level="debug", stream=log_stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("dkronpy.x").exception("it\nbroke")
    (line,) = log_stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["role"], record["logger"], record["message"]) == (
        "error", "agent web1", "dkronpy.x", "it\nbroke",
    )  # fmt: skip
    assert record["time"].endswith("Z")
    assert "ValueError: broken" in record["trace"]
