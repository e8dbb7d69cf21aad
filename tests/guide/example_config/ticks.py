"""Every ten seconds, and never two at a time."""

from __future__ import annotations

from dkronpy import Job, Shell, cron

Job(
    name="queue-depth",
    schedule=cron("*/10 * * * * *"),
    run=Shell(("/usr/local/bin/queue-depth", "--json")),
    concurrency="forbid",
    catch_up="none",
)
