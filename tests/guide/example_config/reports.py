"""A command at a wall-clock time of its own zone, on one node of a kind, with a secret in its environment."""

from __future__ import annotations

from dkronpy import Job, Shell, any_node, cron, secret

sales = Job(
    name="sales-report",
    schedule=cron("30 6 * * MON-FRI", tz="Europe/Lisbon"),
    run=Shell("./sales.sh --day yesterday", cwd="/srv/reports", env={"DATABASE_URL": secret("reports/database")}),
    on=any_node(role="reports"),
    timeout="20m",
    owner="Sales",
    owner_email="sales@example.com",
)
