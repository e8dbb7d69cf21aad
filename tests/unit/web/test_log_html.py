"""The output of a run as HTML: each line once, with its own time, in whatever pieces it comes."""

from __future__ import annotations

import re
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dkronpy.marks import Mark, Marks
from dkronpy.web.log_html import LogHtml

T0 = 1_795_656_600_000
"""26 November 2026, 02:30:00 in Berlin."""
BERLIN = ZoneInfo("Europe/Berlin")
STAMP = re.compile(r'<i data-t="([^"]+)"></i>')


def html_of(data: bytes, marks: Marks, cuts: tuple[int, ...] = (), seen: int = 0) -> str:
    """The HTML of *data*, given in the pieces that *cuts* make of it."""
    places = [0, *sorted(cuts), len(data)]
    log = LogHtml(seen, BERLIN)
    parts = [log.piece(start, data[start:end], marks) for start, end in pairwise(places)]
    return "".join(parts) + log.end()


def test_a_line_bears_the_time_of_its_first_byte() -> None:
    marks = Marks((Mark(0, T0), Mark(6, T0 + 5_000), Mark(12, T0 + 9_000)))

    html = html_of(b"one\ntwo \nthree\n", marks)

    assert STAMP.sub(r"\1 ", html).splitlines() == ["02:30:00 one", "02:30:00 two ", "02:30:05 three"]


def test_a_line_of_another_day_bears_its_date() -> None:
    html = html_of(b"a\nb\n", Marks((Mark(0, T0), Mark(2, T0 + 86_400_000))))

    assert STAMP.findall(html) == ["02:30:00", "27 Nov 02:30:00"]


def test_colours_do_not_move_a_time_to_another_line() -> None:
    marks = Marks((Mark(0, T0), Mark(11, T0 + 5_000)))

    html = html_of(b"\x1b[31mred\ny\x1b[0m\n", marks)

    assert STAMP.findall(html) == ["02:30:00", "02:30:00"]
    assert [STAMP.sub("", line) for line in html.splitlines()] == ['<span class="c-red">red', "y</span>"]


def test_an_output_without_marks_has_no_times() -> None:
    assert html_of(b"one\n<two>\n", Marks()) == "one\n&lt;two&gt;\n"


@given(st.lists(st.sampled_from(["a", "é<", "\n", "bc\n"]), max_size=20), st.data())
def test_pieces_make_no_difference(words: list[str], draw: st.DataObject) -> None:
    data = "".join(words).encode()
    offsets = draw.draw(st.lists(st.integers(0, max(0, len(data) - 1)), unique=True, max_size=5))
    marks = Marks(tuple(Mark(at, T0 + 1000 * at) for at in sorted({0, *offsets})))
    cuts = tuple(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))

    assert html_of(data, marks, cuts) == html_of(data, marks)


def test_who_comes_back_goes_on_in_the_middle_of_a_line() -> None:
    marks = Marks((Mark(0, T0), Mark(4, T0 + 5_000)))

    assert html_of(b"one\ntwo\n", marks, (2,), seen=5) == "wo\n"
    assert html_of(b"one\ntwo\n", marks, (2,), seen=4) == '<i data-t="02:30:05"></i>two\n'
