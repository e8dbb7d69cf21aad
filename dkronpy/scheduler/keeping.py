"""What each job is to keep of its history, looked up seldom: whoever files a run or forgets old ones asks for each."""

from __future__ import annotations

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
        now = self.clock.monotonic()
        known = self._known.get(job)
        if known is not None and known[0] > now:
            return known[1]
        found = self.jobs.many([job]) if job else []
        keep = keep_of(found[0].job if found else None, self.settings)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[job] = (now + FRESH_SECONDS, keep)
        return keep
