"""What must hold of the ledger after every step, whatever happened; pure functions of snapshots and ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dkronpy.execution import REASONS, TERMINAL
from dkronpy.job import Job
from tests.model.agents import Agents
from tests.model.snapshot import ExecutionRow, RunRow, Snapshot

P, R = "dkronpy:", "redbeat:"
_COUNTERS = {"success_count": "success", "error_count": "failed", "skipped_count": "skipped", "lost_count": "lost"}


def check_executions(shot: Snapshot, agents: Agents) -> None:
    """Each execution's state is what its attempts say (promises G3 and G4)."""
    for row in shot.executions.values():
        assert row.run in shot.runs, f"{row.id} belongs to a run that is not there"
        if row.state in {"success", "failed"} and row.attempt:
            report = agents.reported(row.token)
            assert report is not None, f"{row.id} is {row.state}, but the holder of token {row.token} never said so"
            assert row.last_state == ("success" if report.success else "failed"), f"{row.id} turns its report around"
            assert row.state == row.last_state, f"{row.id} is {row.state}, its last attempt {row.last_state}"
        elif row.state == "skipped":
            assert row.token == 0, f"{row.id} is skipped, yet an attempt was started"
        elif row.state == "lost":
            assert row.last_state == "lost", f"{row.id} is lost, its last attempt {row.last_state}"
        elif row.state == "running":
            assert row.last_state == "running", f"{row.id} runs, its last attempt is {row.last_state}"
            assert row.last_token == row.token, (
                f"{row.id} runs under token {row.token}, its attempt has {row.last_token}"
            )
            assert row.last_node == row.node, f"{row.id} is for node {row.node} and runs on {row.last_node}"
        if row.end_by:
            assert row.start_by <= row.end_by, f"{row.id} may wait until {row.start_by}, its run until {row.end_by}"
        if row.mode == "at_most_once" and row.last_state == "lost":
            assert row.state == "lost", f"{row.id} is {row.state} again after a node was lost with it (at most once)"
        if row.state in TERMINAL - {"success"}:
            assert row.reason in REASONS, f"{row.id} is {row.state} for no known reason: {row.reason!r}"
        assert (row.ttl > 0) == row.terminal, f"{row.id} is {row.state} and has a time to live of {row.ttl} ms"


def check_runs(shot: Snapshot, definitions: Mapping[str, Job]) -> None:
    """Each run is what its executions make of it, and was planned by the definition that it was fired under."""
    open_forbidden: dict[str, str] = {}
    for run in shot.runs.values():
        rows = shot.of_run.get(run.id, [])
        assert {row.id for row in rows} == set(run.executions), f"{run.id} names executions that are not there"
        still = [row.id for row in rows if not row.terminal]
        assert run.open == len(still), f"{run.id} counts {run.open} open executions of {still}"
        assert (run.state == "running") == bool(still), f"{run.id} is {run.state} with {still} open"
        assert (run.ttl > 0) == (not still), f"{run.id} is {run.state} and has a time to live of {run.ttl} ms"
        if not still:
            assert run.state == _state_of(rows), f"{run.id} is {run.state} after {[row.state for row in rows]}"
            assert run.state == "success" or run.reason in REASONS, f"{run.id} is {run.state} for no reason"
        definition = definitions[run.id]
        for row in rows:
            planned = (row.mode, row.max_attempts)
            assert planned == (definition.delivery, definition.max_attempts), f"{row.id} was planned otherwise"
        if still and definition.forbids_overlap:
            other = open_forbidden.setdefault(run.job, run.id)
            assert other == run.id, f"{run.job} forbids overlap, and {other} and {run.id} are open at once"


def _state_of(rows: list[ExecutionRow]) -> str:
    states = {row.state for row in rows}
    if states <= {"skipped"}:
        return "skipped"
    if states == {"success"}:
        return "success"
    if "success" in states:
        return "partially_failed"
    return "failed" if "failed" in states else "lost"


def check_indexes(shot: Snapshot) -> None:
    """``open`` and the sets of active executions hold exactly what has not ended; nothing lacks a bound."""
    still = {row.id for row in shot.executions.values() if not row.terminal}
    listed = set(shot.scores.get(P + "open", {}))
    assert listed == still, f"the index of open executions has {listed ^ still} wrong"
    active: dict[str, set[str]] = {}
    for name in still:
        active.setdefault(shot.executions[name].job, set()).add(name)
    sets = {key[len(P) + 4 : -len(":active")]: members for key, members in shot.sets.items() if key.endswith(":active")}
    assert sets == active, f"active executions: {sets}, not ended: {active}"
    assert not shot.without_bound, f"nothing bounds {shot.without_bound}"


def counters_of(shot: Snapshot, job: str) -> Counter[str]:
    """How many executions of a job are counted in which state."""
    fields = shot.hashes[f"{P}job:{job}"]
    return Counter({state: int(fields.get(name, 0)) for name, state in _COUNTERS.items()})


def check_counters(shot: Snapshot, since: Mapping[str, int], inherited: Mapping[str, Counter[str]]) -> None:
    """The counters of each job equal its records, from the revision on that created it (promise G10), and what it had
    under its former name.
    """
    for job, revision in since.items():
        runs: list[RunRow] = [run for run in shot.runs.values() if run.job == job and run.revision >= revision]
        expected = Counter(inherited.get(job, {}))
        for run in runs:
            rows = shot.of_run.get(run.id, [])
            expected.update(row.state for row in rows if row.terminal)
            if not rows:
                expected["skipped"] += run.count
        counted = counters_of(shot, job)
        assert counted == +expected, f"counters of {job}: {counted}, records: {expected}"


def check_progress(before: Snapshot, after: Snapshot, agents: Agents, now_ms: int) -> None:
    """What has ended stays as it ended, but for a lost one that its holder amends; nothing goes back or ends early."""
    for name, row in before.executions.items():
        then = after.executions.get(name)
        assert then is not None, f"{name} has vanished"
        if row.terminal and then.state != row.state:
            assert row.state == "lost", f"{name} was {row.state} and is {then.state}"
            assert then.amended, f"{name} was lost and is {then.state}, and nobody says that it was amended"
        assert then.token >= row.token, f"{name} went back from token {row.token} to {then.token}"
        if then.last_state == "lost" and row.last_state == "running" and then.token == row.token:
            until = agents.lease_until(row.token)
            assert until <= now_ms, f"{name} was given up {until - now_ms} ms before its lease ran out"
    for name, run in before.runs.items():
        assert name in after.runs, f"{name} has vanished"
        assert after.runs[name].decision == run.decision, f"{name} was decided twice"
    for counter in ("epoch", "token"):
        old, new = (int(shot.strings.get(P + counter, "0")) for shot in (before, after))
        assert new >= old, f"{counter} went back from {old} to {new}"
    _check_schedule(before, after)


def schedule_of(shot: Snapshot) -> dict[str, float]:
    """Each entry's next due time, whichever shard it stands in; of one in several the earliest."""
    found: dict[str, float] = {}
    for key, members in shot.scores.items():
        if key == R + ":schedule" or key.startswith(R + ":schedule:"):
            for entry, score in members.items():
                found[entry] = min(score, found.get(entry, score))
    return found


def check_places(shot: Snapshot, stored: Mapping[str, Job], *, settled: bool) -> None:
    """Each job that is to run stands in the schedule, once all have been moved in the shard of its name alone; one that
    was deleted stands nowhere.
    """
    places: dict[str, list[str]] = {}
    for key, members in shot.scores.items():
        if key == R + ":schedule" or key.startswith(R + ":schedule:"):
            for entry in members:
                places.setdefault(entry.removeprefix(R), []).append(key)
    enabled = {name for name, job in stored.items() if job.enabled}
    assert enabled <= set(places), f"{enabled - set(places)} stand nowhere"
    assert set(places) <= set(stored), f"{set(places) - set(stored)} were deleted and stand in {places}"
    if settled:
        twice = {name: keys for name, keys in places.items() if len(keys) > 1}
        assert not twice, f"these stand in several shards: {twice}"


def _check_schedule(before: Snapshot, after: Snapshot) -> None:
    earlier, later = schedule_of(before), schedule_of(after)
    for entry, score in earlier.items():
        then = later.get(entry, score)
        same = before.hashes.get(entry, {}).get("rev") == after.hashes.get(entry, {}).get("rev")
        assert not same or then >= score, f"{entry} was due at {score} and went back to {then}"
