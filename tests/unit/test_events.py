"""What an entry of the event stream tells."""

from __future__ import annotations

import logging

import pytest

from dkronpy.store.events import changes_of


def test_an_entry_tells_one_change() -> None:
    assert changes_of({b"event": b"job", b"job": b"a"}) == [{"event": "job", "job": "a"}]


def test_an_entry_that_tells_many_has_a_line_for_each_or_a_value_for_all() -> None:
    row = {b"event": b"run", b"many": b"2", b"run": b"a@1\nb@1", b"state": b"success", b"reason": b"", b"at": b"5\n6"}
    assert changes_of(row) == [
        {"event": "run", "run": "a@1", "state": "success", "reason": "", "at": "5"},
        {"event": "run", "run": "b@1", "state": "success", "reason": "", "at": "6"},
    ]


def test_a_line_may_be_empty() -> None:
    row = {b"event": b"run", b"many": b"2", b"run": b"a@1\nb@1", b"reason": b"\nexit"}
    assert [change["reason"] for change in changes_of(row)] == ["", "exit"]


def test_a_commit_as_it_was_told_before() -> None:
    row = {b"event": b"fired", b"runs": b"a@1\nb@1", b"jobs": b"a\nb", b"executions": b"1\n3", b"at": b"5"}
    assert changes_of(row) == [
        {"event": "fired", "run": "a@1", "job": "a", "executions": "1", "at": "5"},
        {"event": "fired", "run": "b@1", "job": "b", "executions": "3", "at": "5"},
    ]


def test_a_text_with_other_lines_than_there_are_changes_is_the_same_for_all() -> None:
    row = {b"event": b"run", b"many": b"2", b"run": b"a@1\nb@1", b"reason": b"\ntwo\nlines"}
    assert [(change["run"], change["reason"]) for change in changes_of(row)] == [
        ("a@1", " two lines"), ("b@1", " two lines"),
    ]  # fmt: skip


def test_an_entry_that_makes_no_sense_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)  # tests of another file let errors pass alone
    assert changes_of({b"event": b"run", b"many": b"several", b"run": b"a@1"}) == []
    assert changes_of({b"event": b"fired", b"runs": b"a@1\nb@1", b"jobs": b"a"}) == []
    assert caplog.text.count("makes no sense") == 2
