"""Times as people read them: always with their zone, and how long ago or how soon."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from dkronpy.clock import from_ms, iso_ms

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_MINUTE_MS = 60_000
_DAY_S = 86_400


def say_ms(ms: float) -> str:
    """A duration in at most two units: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 d 4 h``."""
    ms = abs(ms)
    if ms < 950:
        return f"{ms:.0f} ms" if ms < 100 else f"{ms / 1000:.2f} s"
    if ms < 9_950:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    parts = []
    for size, unit in _UNITS:
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    if seconds and len(parts) < 2:
        parts.append(f"{seconds} s")
    return " ".join(parts[:2]) or "0 s"


def say_distance(ms: int, now_ms: int) -> str:
    """How far a moment is away, in one unit: ``in 3 min``, ``20 s ago``, ``now``."""
    seconds = abs(ms - now_ms) // 1000
    if seconds < 1:
        return "now"
    amount = f"{seconds} s"
    for size, unit in _UNITS:
        if seconds >= size:
            amount = f"{seconds // size} {unit}"
            break
    return f"in {amount}" if ms > now_ms else f"{amount} ago"


class Moments:
    """Writes moments for one viewer at one moment."""

    def __init__(self, zone: ZoneInfo, now_ms: int) -> None:
        self.zone, self.now_ms = zone, now_ms

    def at(self, ms: int) -> datetime:
        """The moment on the viewer's clock."""
        return from_ms(ms).astimezone(self.zone)

    def full(self, ms: int) -> str:
        """Everything: ``Tue 24 Nov 2026 02:30:00.120 CET``."""
        moment = self.at(ms)
        millis = f".{ms % 1000:03d}" if ms % 1000 else ""
        return f"{moment:%a} {moment.day} {moment:%b %Y %H:%M:%S}{millis} {self.abbreviation(ms)}"

    def day(self, moment: datetime) -> str:
        """A day by its name: ``Friday, 27 November 2026``."""
        return f"{moment:%A}, {moment.day} {moment:%B %Y}"

    def short(self, ms: int) -> str:
        """No more than is needed today: ``02:30:05 CET``, ``Tue 24 Nov 02:30 CET``, ``24 Nov 2025 02:30 CET``."""
        moment, today = self.at(ms), self.at(self.now_ms)
        zone = self.abbreviation(ms)
        clock = f"{moment:%H:%M:%S}" if moment.second or abs(ms - self.now_ms) < 60 * _MINUTE_MS else f"{moment:%H:%M}"
        if moment.date() == today.date():
            return f"{clock} {zone}"
        if abs(ms - self.now_ms) < 180 * _DAY_S * 1000:
            return f"{moment:%a} {moment.day} {moment:%b} {clock} {zone}"
        return f"{moment.day} {moment:%b %Y} {clock} {zone}"

    def abbreviation(self, ms: int) -> str:
        """The zone as its clocks are called then: ``CET``; zones without a name of letters as ``UTC+03``."""
        name = self.at(ms).tzname() or "UTC"
        return name if name[:1].isalpha() else f"UTC{name}"

    def distance(self, ms: int) -> Markup:
        """How far away, kept up to date by script; the moment itself in the title."""
        return self._time(ms, say_distance(ms, self.now_ms), live=True)

    def both(self, ms: int) -> Markup:
        """When, and how far away."""
        return Markup("{} {}").format(
            self._time(ms, self.short(ms)),
            Markup('<span class="quiet">{}</span>').format(self._time(ms, say_distance(ms, self.now_ms), live=True)),
        )

    def _time(self, ms: int, text: str, *, live: bool = False) -> Markup:
        mark = Markup(' data-ms="{}"').format(ms) if live else ""
        return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(iso_ms(ms), self.full(ms), mark, text)

    def ran(self, start_ms: int, end_ms: int) -> Markup:
        """How long something took, or has taken so far."""
        if not start_ms:
            return Markup('<span class="quiet none">&ndash;</span>')
        if not end_ms:
            since = say_ms(max(0, self.now_ms - start_ms))
            return Markup('<span class="since" data-since="{}">{}</span>').format(start_ms, since)
        return Markup("{}").format(say_ms(end_ms - start_ms))
