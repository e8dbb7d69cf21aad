"""`dkronpy verify` on a deployment that runs: it hurts, it judges, and it leaves nothing of its own."""

from __future__ import annotations

import json
from pathlib import Path

from dkronpy.verify.checker import check
from dkronpy.verify.history import read_history
from tests.acceptance.fleet import Fleet
from tests.support import spawn


def test_a_deployment_is_hurt_judged_and_left_clean(fleet: Fleet, tmp_path: Path) -> None:
    beats = [fleet.beat(), fleet.beat()]
    fleet.agent("n1")
    kept = tmp_path / "history.json"
    arguments = ("--yes", "--seconds", "12", "--fault", "beat", "--fault", "pause", "--fault", "cut", "-o", "json")
    environment = {**fleet.environment, "DKRONPY_CONFIG": ""}
    with spawn("verify", *arguments, "--keep", kept, log=tmp_path / "verify.log", env=environment) as verify:
        assert verify.wait(150) == 0, verify.output
    assert "nothing was lost, doubled or left behind" in verify.output
    assert sum(beat.process.poll() is not None for beat in beats) == 1, "the leading beat was not killed"
    history = read_history(kept)
    assert check(history) == []
    assert history.witnessed
    assert len(history.marks) > 20
    assert [note.what.split(" (")[0] for note in history.faults][:2] == [
        "the beat that leads", "the store answers nothing for 4 s",
    ]  # fmt: skip
    rows = json.loads(verify.output[verify.output.index("[\n") : verify.output.rindex("]") + 1])
    assert {row["job"]: row["violations"] for row in rows}["verify-tick"] == 0
    assert fleet.client.jobs() == []
