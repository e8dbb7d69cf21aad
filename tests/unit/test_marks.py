"""Marks beside an output: in order, bounded, and as true as they say they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dkronpy.marks import GRAIN_MS, MERGED, MIXED, STDERR, STDOUT, Mark, Marking, Marks, between

T0 = 1_795_400_000_000
Writes = list[tuple[int, int, int]]
writes = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 400), st.sampled_from([STDOUT, STDERR])), min_size=1, max_size=120
)
"""How many bytes, how many ms after those before, and on which stream."""


def marked(written: Writes) -> tuple[Marking, list[tuple[int, int]]]:
    """The marks of these writes, and of each byte its moment and stream."""
    marking, truth, ms = Marking(), [], T0
    for count, later, stream in written:
        ms += later
        marking.add(Mark(len(truth), ms, stream))
        truth += [(ms, stream)] * count
    return marking, truth


@given(writes, st.integers(1, 50), st.data())
def test_every_byte_that_is_kept_has_its_time_and_stream(written: Writes, most: int, data: st.DataObject) -> None:
    marking, truth = marked(written)
    size = len(truth)
    head = data.draw(st.integers(0, size))
    tail = data.draw(st.integers(head, size))

    found = Marks.decode(marking.of([(0, head), (tail, size)], most).encode())

    assert len(found.marks) <= most
    assert list(found.marks) == sorted(found.marks, key=lambda mark: (mark.offset, mark.ms))
    for start, end in ((0, head), (tail, size)):
        runs = list(found.runs(start, bytes(end - start)))
        assert sum(len(run.data) for run in runs) == end - start
        at = start
        for run in runs:
            for moment, stream in truth[at : at + len(run.data)]:
                assert 0 <= moment - run.ms < found.grain_ms
                assert run.stream in (stream, MIXED)
            at += len(run.data)


@given(writes)
def test_nothing_is_blurred_where_there_is_room(written: Writes) -> None:
    marking, truth = marked(written)

    found = marking.of([(0, len(truth))])

    assert found.grain_ms == GRAIN_MS
    assert MIXED not in {mark.stream for mark in found.marks}


@given(writes, st.integers(1, 20))
def test_marking_stays_bounded_while_an_output_goes_on(written: Writes, most: int) -> None:
    marking, truth, ms, size = Marking(), [], T0, 0
    for count, later, stream in written:
        ms += later
        marking.add(Mark(size, ms, stream))
        size += count
        truth += [(ms, stream)] * count
        marking.bound([(0, min(size, 50)), (max(50, size - 50), size)], most)
        assert len(marking.marks) <= 2 * most

    found = marking.of([(max(0, size - 50), size)], most)
    run = next(found.runs(max(0, size - 50), bytes(min(50, size))))
    moment, stream = truth[max(0, size - 50)]
    assert 0 <= moment - run.ms < found.grain_ms
    assert run.stream in (stream, MIXED)


def test_times_grow_coarser_before_streams_are_mixed() -> None:
    marking = Marking(Mark(10 * number, T0 + 100 * number, MERGED) for number in range(100))
    marking.add(Mark(1_000, T0 + 10_001, STDERR))

    found = marking.of([(0, 1_010)], 10)

    assert found.grain_ms == 1_600
    assert found.marks[-1] == Mark(1_000, T0 + 10_001, STDERR)
    assert {mark.stream for mark in found.marks} == {MERGED, STDERR}


def test_streams_that_change_more_often_than_can_be_told_are_said_to_be_mixed() -> None:
    marking = Marking(Mark(number, T0 + number, (STDOUT, STDERR)[number % 2]) for number in range(1_000))

    found = marking.of([(0, 1_000)], 10)

    assert {mark.stream for mark in found.marks} == {MIXED}
    assert found.separate


def test_a_mark_that_tells_nothing_new_is_none() -> None:
    marking = Marking([Mark(0, T0), Mark(5, T0 + 99), Mark(9, T0 + 100), Mark(12, T0 + 40)])

    assert marking.marks == [Mark(0, T0), Mark(9, T0 + 100)]
    assert not marking.of([(0, 20)]).separate


def test_time_never_goes_back() -> None:
    marking = Marking([Mark(0, T0, STDOUT), Mark(5, T0 - 50, STDERR)])

    assert marking.marks[1] == Mark(5, T0, STDERR)


def test_an_output_without_marks_is_one_run_without_a_time() -> None:
    assert [tuple(run) for run in Marks.decode(b"").runs(7, b"abc")] == [(0, MERGED, b"abc")]
    assert Marks.decode(b"no marks") == Marks()
    assert Marks().encode() == b""


def test_one_line_costs_a_dozen_bytes() -> None:
    assert len(Marks((Mark(0, T0),)).encode()) <= 12


def test_a_part_begins_with_the_mark_that_covers_it() -> None:
    marks = [Mark(0, T0), Mark(10, T0 + 500)]

    assert between(marks, 5, 12) == [Mark(5, T0), Mark(10, T0 + 500)]
    assert between(marks, 10, 10) == []
