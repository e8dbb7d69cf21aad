"""The spool: what was put down is there until it has arrived, also for the agent's next life."""

from __future__ import annotations

from pathlib import Path

import msgspec

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
