"""A chain: one extract, two loads side by side, one job that waits for both, and one that runs if it fails."""

from __future__ import annotations

from dkronpy import Http, Job, Shell, cron, defaults

with defaults(timeout="2h", owner="Data"):
    extract = Job(name="extract", schedule=cron("0 4 * * *", tz="Europe/Lisbon"), run=Shell("etl extract"))
    loads = [
        Job(name=f"load-{target}", after=extract, run=Shell(("etl", "load", target)))
        for target in ("customers", "orders")
    ]
    publish = Job(name="publish", after=loads, run=Http("http://dashboards.example.com/refresh", "POST"))
    Job(name="call-for-help", after=publish, when="failure", run=Shell("page-someone 'no dashboards today'"))
