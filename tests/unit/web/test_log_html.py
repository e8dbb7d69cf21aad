"""The output of a run as HTML: each line once, with its own time, in whatever pieces it comes."""

from __future__ import annotations

import re
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.marks import MERGED, MIXED, STDERR, STDOUT, Mark, Marks
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
    streams = st.sampled_from([MERGED, STDOUT, STDERR, MIXED])
    marks = Marks(tuple(Mark(at, T0 + 1000 * at, draw.draw(streams)) for at in sorted({0, *offsets})))
    cuts = tuple(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))

    assert _joined(html_of(data, marks, cuts)) == _joined(html_of(data, marks))


def _joined(html: str) -> str:
    """HTML in which a span goes on where the same one ended."""
    for span in (OUT, ERR):
        html = html.replace("</span>" + span, "")
    return html


def test_who_comes_back_goes_on_in_the_middle_of_a_line() -> None:
    marks = Marks((Mark(0, T0), Mark(4, T0 + 5_000)))

    assert html_of(b"one\ntwo\n", marks, (2,), seen=5) == "wo\n"
    assert html_of(b"one\ntwo\n", marks, (2,), seen=4) == '<i data-t="02:30:05"></i>two\n'


OUT, ERR = r'<span class="out">', r'<span class="err" role="group" aria-label="stderr">'


def test_what_is_of_one_stream_alone_says_so() -> None:
    marks = Marks((Mark(0, T0, STDOUT), Mark(4, T0, STDERR), Mark(6, T0, STDERR), Mark(8, T0), Mark(13, T0, MIXED)))

    html = html_of(b"one\ne\nf\nours\nx\ny\n", marks)

    assert STAMP.sub("@", html) == f"{OUT}@one\n</span>{ERR}@e\n@f\n</span>@ours\n@x\n@y\n"


def test_each_stream_has_its_own_colours_and_characters() -> None:
    data = b"\x1b[32m\xc3" + b"\x1b[31mbad\n" + b"\xa9\n" + b"worse\n"
    marks = Marks((Mark(0, T0, STDOUT), Mark(6, T0, STDERR), Mark(15, T0, STDOUT), Mark(17, T0, STDERR)))

    html = STAMP.sub("", html_of(data, marks))

    assert html == (
        f'{ERR}<span class="c-red">bad\n</span></span>{OUT}<span class="c-green">é\n</span></span>'
        f'{ERR}<span class="c-red">worse\n</span></span>'
    )


@pytest.mark.parametrize("cuts", [(), (3,), (1, 3, 4)])
@pytest.mark.parametrize("seen", [0, 2, 3, 4])
def test_a_line_ends_where_the_stream_changes(cuts: tuple[int, ...], seen: int) -> None:
    marks = Marks((Mark(0, T0, STDOUT), Mark(3, T0, STDERR), Mark(5, T0, STDOUT)))

    html = html_of(b"oneEr\nx\n", marks, cuts, seen)

    shown = re.sub(r"<[^>]*>", "", html)
    assert shown == {0: "one\nEr\n\nx\n", 2: "e\nEr\n\nx\n", 3: "\nEr\n\nx\n", 4: "r\n\nx\n"}[seen]
    left = re.sub(rf"{OUT}(<i[^>]*></i>|[^<])*</span>", "", html)
    assert re.sub(r"<[^>]*>", "", left) == ("r\n" if seen == 4 else "Er\n")


def test_whether_there_is_standard_error_is_known_of_what_is_shown() -> None:
    log = LogHtml(4, BERLIN)
    log.piece(0, b"err\nout\n", Marks((Mark(0, T0, STDERR), Mark(4, T0, STDOUT))))
    assert not log.stderr
    log.piece(8, b"err\n", Marks((Mark(8, T0, STDERR),)))
    assert log.stderr
