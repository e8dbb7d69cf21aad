"""Functions: one that becomes a job where it stands, and one of another module with checked arguments."""

from __future__ import annotations

from example_config.maintenance import purge

from dkronpy import Job, Python, Retry, RunContext, every, job


@job(schedule="17 3 * * *", retry=Retry(3, delay="10s"), timeout="2m", kwargs={"days": 30})
def forget_sessions(run: RunContext, days: int) -> int:
    """Forget the sessions that nobody has used for some days."""
    return days * 2


Job(name="purge-uploads", schedule=every("1d"), run=Python(purge, 90, dry_run=False))
