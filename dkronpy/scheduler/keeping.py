"""What each job is to keep of its history, looked up seldom: whoever files a run or forgets old ones asks for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dkronpy.clock import Clock
from dkronpy.results.keep import Keep, keep_of
from dkronpy.settings import Settings
from dkronpy.store.jobs import Jobs

FRESH_SECONDS = 60.0
MOST_REMEMBERED = 20_000


class Keeping:
    """Knows by a job's name what is to be kept of it; a change of the definition is heeded within a minute."""

    def __init__(self, jobs: Jobs, settings: Settings, clock: Clock) -> None:
        self.jobs = jobs
        self.settings = settings
        self.clock = clock
        self._known: dict[str, tuple[float, Keep]] = {}

    def __call__(self, job: str) -> Keep:
        """What *job* is to keep; what the settings say for one that is gone."""
        known = self._known.get(job)
        if known is None or known[0] <= self.clock.monotonic():
            self.ahead([job])
        return self._known[job][1]

    def ahead(self, jobs: Sequence[str]) -> None:
        """Read at once what will be asked for."""
        now = self.clock.monotonic()
        missing = [job for job in dict.fromkeys(jobs) if job not in self._known or self._known[job][0] <= now]
        if len(self._known) + len(missing) > MOST_REMEMBERED:
            self._known.clear()
            missing = list(dict.fromkeys(jobs))
        found = {stored.job.name: stored.job for stored in self.jobs.many([job for job in missing if job])}
        for job in missing:
            self._known[job] = (now + FRESH_SECONDS, keep_of(found.get(job), self.settings))


def read_ahead(keep_of: Callable[[str], Keep], jobs: Sequence[str]) -> None:
    """Have read at once what *keep_of* will be asked for, where it reads."""
    if isinstance(keep_of, Keeping):
        keep_of.ahead(jobs)
