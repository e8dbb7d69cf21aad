"""The spool: what was put down is there until it has arrived, also for the agent's next life."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec
import pytest

from dkronpy.agent.plan import Plan
from dkronpy.agent.spool import Report, Spool
from dkronpy.clock import from_ms
from dkronpy.plugins.processor import ExecutionInfo
from dkronpy.plugins.template import Facts, JobFacts

ONE, TWO, THREE = (Report(execution_id=f"backup@{number}.0", token=number, success=True) for number in (1, 2, 3))


def kept(spool: Spool) -> set[str]:
    return {report.execution_id for _, report in spool.waiting()}


def test_what_is_put_down_together_is_one_file_that_goes_with_the_last(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    names = spool.put(ONE, TWO)

    assert [path.name for path in tmp_path.iterdir()] == list(dict.fromkeys(names))
    spool.remove(names[0], ONE)
    assert kept(spool) == {TWO.execution_id}
    spool.remove(names[1], TWO)
    assert not list(tmp_path.iterdir())


def test_the_next_life_finds_every_report_of_a_file_that_is_there(tmp_path: Path) -> None:
    before = Spool(tmp_path)
    names = before.put(ONE, TWO)
    before.put(THREE)
    before.remove(names[0], ONE)

    after = Spool(tmp_path)

    assert kept(after) == {ONE.execution_id, TWO.execution_id, THREE.execution_id}
    for name, report in list(after.waiting()):
        after.remove(name, report)
    assert not list(tmp_path.iterdir())


def test_one_that_processors_come_to_shares_no_file(tmp_path: Path) -> None:
    facts = Facts(job=JobFacts(name="backup"), due=from_ms(0), node="n1", attempt=1, run_id="r", execution_id="r.0")
    info = ExecutionInfo(
        job="backup", run_id="r", execution_id="r.0", attempt=1, node="n1", due=from_ms(0), started=from_ms(0),
        finished=from_ms(0), success=True,
    )  # fmt: skip
    planned = msgspec.structs.replace(TWO, plan=Plan(steps=(), info=info, facts=facts))
    spool = Spool(tmp_path)

    names = spool.put(ONE, planned, THREE)
    assert (names[0] == names[2], names[0] == names[1]) == (True, False)

    spool.put(TWO)  # what the processors left
    assert {report.plan for _, report in Spool(tmp_path).waiting()} == {None}


def test_a_file_of_an_earlier_version_is_read_and_one_that_is_none_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.report").write_bytes(msgspec.msgpack.encode({"execution_id": "x.0", "token": 1, "success": False}))
    (tmp_path / "b.report").write_bytes(b"\xff")

    assert kept(Spool(tmp_path)) == {"x.0"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.report", "b.unreadable"}


class Odd:
    """What a plugin may come up with."""

    def __str__(self) -> str:
        return "odd \0"


class Worse:
    """It cannot even be looked at."""

    def __str__(self) -> str:
        raise LookupError


class Colour(str, enum.Enum):
    """A text that is more than one."""

    RED = "red"


def test_whatever_a_plugin_says_can_be_written_down(tmp_path: Path) -> None:
    said = {1: 2**64, "low": -(2**63) - 1, "text": "a\udc80", "odd": (Odd(), 2**64 - 1, Colour.RED, 0.5, True, None)}
    report = Report(execution_id="x.0", token=1, success=False, reason="no\udc80", message="a\0b", result=said)

    Spool(tmp_path).put(report)

    ((_, found),) = Spool(tmp_path).waiting()
    assert found == report
    assert (found.reason, found.message) == ("no\ufffd", "a\ufffdb")
    assert found.result == {
        "1": "18446744073709551616", "low": "-9223372036854775809", "text": "a\ufffd",
        "odd": ["odd \ufffd", 2**64 - 1, "red", 0.5, True, None],
    }  # fmt: skip


def test_a_result_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    endless: list[object] = []
    endless.append(endless)
    reports = [Report(execution_id="x.0", token=1, success=True, result=result) for result in (Worse(), endless)]

    Spool(tmp_path).put(reports[0])
    Spool(tmp_path).put(reports[1])

    assert [report.result for report in reports] == [
        "a result that cannot be kept (Worse: LookupError)", "a result that cannot be kept (list: RecursionError)",
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_or_go_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    (tmp_path / "a.report").mkdir()
    spool, failures = Spool(tmp_path), []  # type: ignore[var-annotated]
    (name,) = spool.put(ONE)
    spool.put(TWO)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()

    with pytest.raises(IsADirectoryError):
        spool.remove(name, ONE)

    assert [report for _, report in spool.waiting(failures.append)] == [TWO]
    assert {type(failure) for failure in failures} == {IsADirectoryError}
    assert len(failures) == 2
    (tmp_path / name).rmdir()
    (tmp_path / name).write_bytes(content)
    assert kept(spool) == {TWO.execution_id}
    assert not (tmp_path / name).exists()


def test_what_stands_in_the_place_of_a_report_is_what_waits_although_the_disk_is_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (name,) = spool.put(ONE)
    later = msgspec.structs.replace(ONE, note="processed")
    (tmp_path / name).with_suffix(".tmp").mkdir()

    with pytest.raises(IsADirectoryError):
        spool.replace(name, later)

    assert [report for _, report in spool.waiting()] == [later]
