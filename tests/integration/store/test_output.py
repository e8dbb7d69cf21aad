"""Live output: head and tail of whatever an attempt prints, in a stream that does not grow without end."""

from __future__ import annotations

import pytest

from dkronpy.agent.output import AttemptOutput
from dkronpy.execution import Output
from dkronpy.marks import MERGED, STDERR, STDOUT, Mark, Marks
from dkronpy.masking import Masker
from dkronpy.store.output import CHUNK, OutputWriter, Piece, follow_output, read_output
from tests.integration.store.plans import Desk
from tests.support import StoreServer, wait_until

NAME = "backup@1970-01-01T00:01:00.000Z.0"


def test_100_mb_leave_their_head_and_their_tail(desk: Desk) -> None:
    limit = 256_000
    writer = OutputWriter(desk.store, NAME, 1, limit)
    block = bytes(range(256)) * 4096  # 1 MB

    writer.write(b"first line\n")
    for _ in range(100):
        writer.write(block)
        assert desk.store.client.memory_usage(desk.store.keys.output(NAME, 1)) < 2 * limit
    writer.write(b"last line\n")

    output = writer.output()
    assert output.size == 100 * len(block) + 21
    assert (len(output.head), len(output.tail)) == (limit // 2, limit // 2)
    assert output.head.startswith(b"first line\n" + block[:1000])
    assert output.tail.endswith(block[-1000:] + b"last line\n")
    live = read_output(desk.store, NAME, 1)
    assert live is not None
    assert (live.head, live.size) == (output.head, output.size)
    assert live.tail.endswith(output.tail)
    assert len(live.tail) < limit // 2 + CHUNK
    writer.end()
    ended = read_output(desk.store, NAME, 1)
    assert ended is not None
    assert (ended.head, ended.tail, ended.size) == (output.head, output.tail, output.size)
    assert 0 < desk.store.client.ttl(desk.store.keys.output(NAME, 1)) <= 3600


def test_many_small_writes_keep_the_same_as_one_large(desk: Desk) -> None:
    data = b"".join(b"%06d\n" % number for number in range(2_000))
    small, large = OutputWriter(desk.store, NAME, 1, 1_000), OutputWriter(desk.store, NAME, 2, 1_000)

    for start in range(0, len(data), 7):
        small.write(data[start : start + 7])
    large.write(data)

    assert small.output() == large.output() == Output(head=data[:500], tail=data[-500:], size=len(data))


def test_little_output_is_kept_whole(desk: Desk) -> None:
    writer = OutputWriter(desk.store, NAME, 1, 1_000)

    writer.write(b"a" * 600)
    writer.write(b"b" * 300)

    assert writer.output().text() == "a" * 600 + "b" * 300
    live = read_output(desk.store, NAME, 1)
    assert live is not None
    assert (live.text(), live.omitted) == (writer.output().text(), 0)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_tiny_limits_keep_what_they_can(desk: Desk, limit: int) -> None:
    writer = OutputWriter(desk.store, NAME, 1, limit)

    writer.write(b"abcdef")
    writer.write(b"ghi")

    output = writer.output()
    assert output.size == 9
    assert output.head + output.tail == {0: b"", 1: b"i", 2: b"ai"}[limit]


def test_who_follows_sees_what_was_there_and_what_comes_until_the_end(desk: Desk) -> None:
    writer = OutputWriter(desk.store, NAME, 1, 1_000)
    writer.write(b"one\n")
    followed = follow_output(desk.store, NAME, 1, block_ms=10)

    assert next(followed) == Piece(0, b"one\n")
    assert next(followed) is None, "nothing came for a while"
    writer.write(b"two\n")
    assert next(followed) == Piece(4, b"two\n")
    for command in writer.close(b"three\n"):
        desk.store.client.execute_command(*command)
    assert list(followed) == [Piece(8, b"three\n")]


def test_output_that_the_store_does_not_take_is_kept_for_the_record(make_store_server: object) -> None:
    server: StoreServer = make_store_server(kind="valkey")  # type: ignore[operator]
    desk = Desk.on(server.url)
    writer = OutputWriter(desk.store, NAME, 1, 1_000)
    assert writer.write(b"before ")
    server.kill()

    assert writer.write(b"while it is away ") is False
    server.start()
    assert writer.write(b"after")

    assert writer.output().text() == "before while it is away after"
    desk.store.close()


def test_an_attempt_without_a_stream_has_no_output(desk: Desk) -> None:
    assert read_output(desk.store, NAME, 1) is None


def test_marks_stay_with_the_bytes_that_are_kept(desk: Desk) -> None:
    writer = OutputWriter(desk.store, NAME, 1, 1_000)
    for number in range(500):  # 5,000 bytes: one line a second, every tenth on the other stream
        mark = Mark(10 * number, 1000 * number, STDERR if number % 10 == 0 else STDOUT)
        writer.write(b"%09d\n" % number, marks=[mark])
    writer.end()
    live = read_output(desk.store, NAME, 1)
    assert live is not None

    for output in (writer.output(), live):
        marks = Marks.decode(output.marks)
        assert output.omitted == 4_000
        for offset, data in output.pieces():
            for run in marks.runs(offset, data):
                for line in run.data.splitlines():
                    assert run.ms == 1000 * int(line)
                    assert (run.stream == STDERR) == (int(line) % 10 == 0)


def test_a_chunk_that_is_followed_says_itself_when_it_came(desk: Desk) -> None:
    writer = OutputWriter(desk.store, NAME, 1, 100)
    writer.write(b"a" * 40, marks=[Mark(0, 5_000, STDERR)])
    writer.write(b"b" * 40)  # within a grain of the first: nothing new
    followed = follow_output(desk.store, NAME, 1, block_ms=10)

    told = [next(followed) for _ in range(3)]

    assert [piece and Marks.decode(piece.marks).marks for piece in told] == [
        (Mark(offset, 5_000, STDERR),) for offset in (0, 40, 50)
    ]


def test_streams_that_are_told_apart_keep_their_lines_and_their_secrets(desk: Desk) -> None:
    moments = iter(range(1_000, 100_000, 1_000))
    output = AttemptOutput(OutputWriter(desk.store, NAME, 1, 1_000), Masker(["hunter-two"]), lambda: next(moments))
    output.write(b"password: hunt", STDOUT)
    output.write(b"warning: it is short\n", STDERR)
    output.write(b"er-two\nlast line", STDOUT)
    output.write(b"the agent's own words\n")
    kept, _ = output.end()

    told = [
        (run.stream, run.data) for offset, data in kept.pieces() for run in Marks.decode(kept.marks).runs(offset, data)
    ]
    assert told == [
        (STDERR, b"warning: it is short\n"),
        (STDOUT, b"password: ***\n"),
        (MERGED, b"the agent's own words\n"),
        (STDOUT, b"last line"),
    ]


def test_the_beginning_of_a_line_waits_for_its_end_only_a_moment(desk: Desk) -> None:
    output = AttemptOutput(OutputWriter(desk.store, NAME, 1, 1_000), Masker([]), lambda: 1_000)
    output.write(b"are you sure? ", STDOUT)

    def shown() -> bool:
        output.flush()
        live = read_output(desk.store, NAME, 1)
        return live is not None and live.head == b"are you sure? "

    wait_until(shown, timeout=10, description="a prompt without an end of line is shown")
