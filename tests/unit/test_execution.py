"""What ids say."""

from __future__ import annotations

import pytest

from dkronpy.execution import due_of, execution_id, job_of, run_id, run_of


@pytest.mark.parametrize("due_ms", [0, 999, 1_795_719_434_033, 253_402_300_799_999])
@pytest.mark.parametrize("suffix", ["", "backfill", "m1a2b"])
def test_an_id_says_its_job_its_due_time_and_its_run(due_ms: int, suffix: str) -> None:
    run = run_id("backup", due_ms, suffix)
    assert (job_of(run), due_of(run), run_of(execution_id(run, 12))) == ("backup", due_ms, run)


@pytest.mark.parametrize("text", ["", "backup", "backup@", "backup@yesterday", "backup@2026-13-01T00:00:00.000Z"])
def test_what_is_no_run_has_no_due_time(text: str) -> None:
    assert due_of(text) == 0
