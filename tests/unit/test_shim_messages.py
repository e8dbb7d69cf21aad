"""What agent and shim say to each other, and what the agent makes of it in words."""

from __future__ import annotations

import re
import signal
import struct

import pytest

from dkronpy.agent import shim
from dkronpy.agent import shim_messages as messages
from dkronpy.agent.process_messages import PACKET_BYTES, Report, write_message
from dkronpy.agent.shim_exit import describe
from dkronpy.agent.shim_messages import (
    NO_LAUNCH,
    Ended,
    Kill,
    Launch,
    Started,
    Vouch,
    read_launch,
    read_news,
    read_order,
    write_launch,
    write_news,
    write_order,
)
from dkronpy.agent.shim_program import LAYOUT
from tests.support import ROOT

SHIM_C = (ROOT / "dkronpy/agent/shim.c").read_text()
LAUNCH = Launch(cwd="/tmp/ä\udcff", grace=5.0, keep_background=True, timeout=1.5, mem_limit=10**8, vouched_until=7.25)
ENDED = Ended(cause=messages.TOO_LARGE, detail=123, status=9, gone=False, max_rss=4096, cpu=1, duration=2, report=b"{}")


@pytest.mark.parametrize("launch", [LAUNCH, NO_LAUNCH, Launch(cwd="/", grace=0.0, timeout=0.0, mem_limit=0)])
def test_a_launch_is_read_as_it_was_written(launch: Launch) -> None:
    assert read_launch(write_launch(launch)) == launch


@pytest.mark.parametrize("order", [Kill(number=3, grace=None), Kill(number=0, grace=0.5), Vouch(until=12.5)])
def test_an_order_is_read_as_it_was_written(order: messages.Order) -> None:
    assert read_order(write_order(order)) == order


@pytest.mark.parametrize("news", [Started(pid=77), Ended(), ENDED])
def test_news_are_read_as_they_were_written(news: messages.News) -> None:
    assert read_news(write_news(news)) == news


def test_what_lasts_longer_than_numbers_reach_is_as_good_as_for_ever() -> None:
    read = read_launch(write_launch(Launch(cwd="/", grace=1e30, timeout=1e300, mem_limit=2**70)))
    assert read.grace > 10**9
    assert read.timeout is not None
    assert read.timeout > 10**9
    assert read.mem_limit is not None
    assert read.mem_limit >= 2**62


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"x",
        b"\0" * 39,
        write_launch(NO_LAUNCH)[:-1],
        write_launch(NO_LAUNCH) + b"\0",
        struct.pack("=5q", 2, 0, 0, 0, 0) + b"/",
        struct.pack("=5q", 0, -1, 0, 0, 0) + b"/",
        struct.pack("=5q", 0, 0, 0, 0, 0) + b"relative",
    ],
)
def test_what_is_no_launch_is_refused(packet: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        read_launch(packet)


@pytest.mark.parametrize("packet", [b"", b"x" * 23, b"x" * 24, b"x" * 25, struct.pack("=3q", 3, 0, 0)])
def test_what_is_no_order_is_passed_over(packet: bytes) -> None:
    assert read_order(packet) is None


def in_c(name: str) -> float:
    """The value of a constant of shim.c, durations in seconds."""
    (text,) = re.findall(rf"#define {name} (.+)", SHIM_C)
    number, _, unit = text.strip("()").partition(" * ")
    return int(number) / {"": 1, "SECOND": 1, "MILLISECOND": 1000}[unit]


def test_both_shims_have_the_same_numbers() -> None:
    assert in_c("LAYOUT") == LAYOUT
    for name in ("FILES", "UNKNOWN_STATUS"):
        assert in_c(name) == getattr(messages, name), name
    assert in_c("PACKET_BYTES") == PACKET_BYTES
    for name in ("DEATH_GRACE", "DRAIN", "STUCK_STATUS"):
        assert in_c(name) == getattr(shim, name), name
    for name in ("MEMORY_INTERVAL", "KILL_INTERVAL", "GIVE_UP_AFTER", "LONGEST_WAIT"):
        assert in_c(name) == getattr(shim, f"_{name}"), name


def test_both_shims_have_the_same_causes() -> None:
    (listed,) = re.findall(r"enum cause \{(.+?)\}", SHIM_C, re.DOTALL)
    causes = re.findall(r"[A-Z_]+", re.sub(r"/\*.*?\*/", "", listed))
    assert causes.pop() == "NOBODY_LISTENS"
    assert [getattr(messages, name) for name in causes] == list(range(len(causes)))


def test_a_command_that_ended_by_itself_has_no_reason() -> None:
    ended = describe(Ended(status=7 << 8, cpu=1_500_000_000, duration=2_250_000_000), LAUNCH, [])
    assert (ended.code, ended.signal, ended.reason, ended.message) == (7, None, "", "")
    assert (ended.cpu, ended.duration, ended.result) == (1.5, 2.25, None)


@pytest.mark.parametrize(
    ("cause", "reason", "message"),
    [
        (messages.ORDERED, "shutdown", ""),
        (messages.TIMED_OUT, "timeout", "the command ran longer than its timeout of 1.5 s"),
        (messages.TOO_LARGE, "oom", "the process tree held 1 bytes of memory, its limit is 100000000"),
        (messages.NOT_VOUCHED_FOR, "lease_lost_killed", "its agent stood still"),
        (messages.AGENT_DIED, "shutdown", "the agent died while the command ran"),
        (messages.HELPER_DIED, "executor_error", "helper process died while the command ran"),
        (messages.SHIM_DIED, "executor_error", "the shim that guarded the command was killed"),
        (messages.CANNOT_START, "spawn_failed", "the node cannot start another process: Operation not permitted"),
        (messages.NOT_A_COMMAND, "spawn_failed", "this is not a command"),
        (messages.CHILD_DIED, "spawn_failed", "was killed before it began"),
    ],
)
def test_each_cause_has_its_words(cause: int, reason: str, message: str) -> None:
    ended = describe(Ended(cause=cause, detail=1, status=signal.SIGTERM), LAUNCH, ["cancelled", "shutdown"])
    assert (ended.reason, ended.signal) == (reason, signal.SIGTERM)
    assert message in ended.message


def test_what_the_child_said_counts_where_nothing_else_ended_it() -> None:
    report = write_message(Report(reason="executor_error", message="ValueError: no"))
    ended = describe(Ended(status=1 << 8, report=report), LAUNCH, [])
    assert (ended.code, ended.reason, ended.message) == (1, "executor_error", "ValueError: no")
    cut_off = describe(Ended(status=signal.SIGKILL, report=report[:-3]), LAUNCH, [])
    assert (cut_off.signal, cut_off.reason, cut_off.result) == (signal.SIGKILL, "", None)


def test_a_child_that_could_not_become_the_command_has_no_exit_code() -> None:
    report = write_message(Report(reason="spawn_failed", message="command not found: x"))
    ended = describe(Ended(status=127 << 8, report=report), LAUNCH, [])
    assert (ended.code, ended.reason, ended.message) == (None, "spawn_failed", "command not found: x")
