"""`dkronpy status`: the deployment at a glance."""

from __future__ import annotations

from typing import Any

from dkronpy.cli.job import is_failing
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import relative, span

LATE_MS = 2_000
"""Beat is called late from here on; it looks at the schedule every second."""

COLUMNS = (
    Column(name="store"),
    Column(name="leader"),
    Column(name="lag"),
    Column(name="nodes"),
    Column(name="jobs"),
    Column(name="open_executions"),
    Column(name="failing", kind="list"),
    Column(name="paused", kind="list"),
    Column(name="quarantined"),
)


@command(
    name="status",
    short_help="Show leader, nodes, failing jobs and open work.",
    example="""
    dkronpy status
    dkronpy status -o json
    """,
)
@data_options()
@pass_session
def status(session: Session, printer: Printer) -> None:
    """Show who leads, how late it is, which nodes are alive, which jobs fail, and what is open."""
    client = session.client
    found = client.status()
    failing = [view.job.name for view in client.jobs() if is_failing(view)]
    alive = [node.name for node in found.nodes if node.alive]
    down = [node.name for node in found.nodes if not node.alive]
    row: dict[str, Any] = {
        "store": found.store,
        "leader": found.leader.holder if found.leader else None,
        "lag": found.late_ms,
        "nodes": {"alive": alive, "down": down},
        "jobs": found.jobs,
        "open_executions": found.open_executions,
        "failing": failing,
        "paused": [one.sentence() for one in client.maintenance.pauses() if one.holds(found.now_ms)],
        "quarantined": found.quarantined,
    }
    if printer.for_people:
        row["leader"] = "none: nothing is fired until `dkronpy beat` runs"
        if found.leader is not None:
            since = relative(found.leader.since_ms - found.now_ms) if found.leader.since_ms else "?"
            row["leader"] = f"{found.leader.holder}, since {since} (epoch {found.leader.epoch})"
            if len(found.leaders) > 1:
                leading = sum(leader is not None for leader in found.leaders)
                row["leader"] += f"; {leading} of {len(found.leaders)} shards are led"
        late = found.late_ms > LATE_MS
        row["lag"] = f"a due time has been waiting for {span(found.late_ms)}" if late else "none"
        row["nodes"] = f"{len(alive)} alive" + (f" ({', '.join(alive)})" if alive else "")
        row["nodes"] += f", {len(down)} down ({', '.join(down)})" if down else ""
        row["quarantined"] = f"{found.quarantined} (`dkronpy doctor` shows them)" if found.quarantined else "none"
    printer.record(COLUMNS, row)
