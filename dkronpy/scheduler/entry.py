"""RedBeat's entry with our schedule type: what our jobs look like to RedBeat's own tools and to Celery."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import BaseSchedule, schedstate
from redbeat.decoder import RedBeatJSONDecoder, RedBeatJSONEncoder
from redbeat.schedulers import RedBeatSchedulerEntry

from dkronpy.clock import from_ms, to_ms
from dkronpy.schedule import Schedule, parse
from dkronpy.schedule.fields import HashRule


class EntrySchedule(BaseSchedule):  # type: ignore[misc]  # no types there
    """A dkronpy schedule as Celery's schedules look: due or not, and how long to wait."""

    def __init__(
        self, text: str, timezone: str = "", job: str = "", hash_rule: HashRule = "dkron", nowfun: Any = None,
        app: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(nowfun=nowfun, app=app)
        self.text = text
        self.timezone = timezone
        self.job = job
        self.hash_rule = hash_rule

    def parsed(self) -> Schedule:
        """The schedule itself."""
        return parse(self.text, timezone=self.timezone, job=self.job, hash_rule=self.hash_rule)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta | None:
        following = self.parsed().next_ms(to_ms(last_run_at))
        return None if following is None else from_ms(following) - self.now()

    def is_due(self, last_run_at: datetime) -> schedstate:
        remaining = self.remaining_estimate(last_run_at)
        if remaining is None:
            return schedstate(is_due=False, next=60.0)
        seconds = remaining.total_seconds()
        return schedstate(is_due=seconds <= 0, next=max(0.0, seconds))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntrySchedule) and (other.text, other.timezone) == (self.text, self.timezone)

    def __hash__(self) -> int:
        return hash((self.text, self.timezone))

    def __repr__(self) -> str:
        return f"<dkronpy: {self.text} {self.timezone}>"


class Decoder(RedBeatJSONDecoder):  # type: ignore[misc]  # no types there
    """RedBeat's JSON hook, which knows ``{"__type__": "dkronpy"}`` besides its own types."""

    def dict_to_object(self, d: dict[str, Any]) -> Any:
        if d.get("__type__") == "dkronpy":
            return EntrySchedule(d["text"], d.get("timezone", ""), d.get("job", ""), d.get("hash_rule", "dkron"))
        return super().dict_to_object(d)


class Encoder(RedBeatJSONEncoder):  # type: ignore[misc]  # no types there
    """The inverse of ``Decoder``."""

    def default(self, obj: Any) -> Any:
        if isinstance(obj, EntrySchedule):
            return {
                "__type__": "dkronpy", "text": obj.text, "timezone": obj.timezone, "job": obj.job,
                "hash_rule": obj.hash_rule,
            }  # fmt: skip
        return super().default(obj)


class Entry(RedBeatSchedulerEntry):  # type: ignore[misc]  # no types there
    """An entry of RedBeat's, of a user's own task or of one of our jobs."""

    @staticmethod
    def decode_definition(definition: str) -> Any:
        return json.loads(definition, cls=Decoder)
