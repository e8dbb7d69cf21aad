"""What docs/schedules.md shows is true."""

from __future__ import annotations

import re

import pytest

from dkronpy.errors import ScheduleError
from dkronpy.schedule import parse
from tests.support import ROOT

PAGE = (ROOT / "docs" / "schedules.md").read_text()
CELL = re.compile(r"(?<!\\)\|")


def example_column() -> list[str]:
    """The second cell of every row of the tables that have a column of examples."""
    found, inside = [], False
    for line in PAGE.splitlines():
        cells = [cell.strip().replace(r"\|", "|") for cell in CELL.split(line)[1:-1]]
        if not cells:
            inside = False
        elif cells[1] == "Example":
            inside = True
        elif inside and cells[1].startswith("`"):
            found.append(cells[1].strip("`"))
    return found


@pytest.mark.parametrize("text", example_column())
def test_every_example_parses(text: str) -> None:
    schedule = parse(text, job="docs")
    assert schedule.manual or schedule.next_ms(0) is not None


def test_there_are_examples() -> None:
    assert len(example_column()) > 25


@pytest.mark.parametrize("text", ["61 * * * *", "* * * * MONDAY", "0 0 30 2 *"])
def test_every_error_shown_is_the_error_given(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    shown = f"{caught.value}\nhint: {caught.value.hint}" if caught.value.hint else str(caught.value)
    assert f"\n{shown}\n" in PAGE


@pytest.mark.parametrize(
    ("schedule", "row"),
    [
        ("30 2 * * *", "| once, at 03:00, when the gap ends | once, at the first 02:30 |"),
        ("*/15 2 * * *", "| not that day: every time of the day lies in the gap | 02:00 to 02:45, both times |"),
    ],
)
def test_the_table_of_clock_changes_has_the_rows_that_the_tests_hold(schedule: str, row: str) -> None:
    assert f"| `{schedule}` {row}" in PAGE
