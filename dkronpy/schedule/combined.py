"""Several schedules as one, a schedule between its first and last moment, and one that is late on purpose."""

from __future__ import annotations

from .model import Schedule


class Several(Schedule):
    """Due whenever one of its parts is; a moment that two parts share is due once."""

    def __init__(self, parts: tuple[Schedule, ...]) -> None:
        self._parts = parts
        self.text = " | ".join(part.text for part in parts)
        self.timezone = parts[0].timezone
        self.grace = max((part.grace for part in parts if part.grace is not None), default=None)
        self.seeded = any(part.seeded for part in parts)

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self._parts

    def next_ms(self, after_ms: int) -> int | None:
        return min((due for part in self._parts if (due := part.next_ms(after_ms)) is not None), default=None)

    def prev_ms(self, before_ms: int) -> int | None:
        return max((due for part in self._parts if (due := part.prev_ms(before_ms)) is not None), default=None)

    def first_ms(self, saved_ms: int) -> int | None:
        return min((due for part in self._parts if (due := part.first_ms(saved_ms)) is not None), default=None)


class Bounded(Schedule):
    """Another schedule, without what lies before ``starts_ms`` or after ``expires_ms``; both are inside."""

    def __init__(self, inner: Schedule, *, starts_ms: int | None, expires_ms: int | None) -> None:
        self._inner = inner
        self.starts_ms = starts_ms
        self.expires_ms = expires_ms
        self.text = inner.text
        self.timezone = inner.timezone
        self.manual = inner.manual
        self.grace = inner.grace
        self.seeded = inner.seeded

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self._inner.parts

    def next_ms(self, after_ms: int) -> int | None:
        return self._inside(self._inner.next_ms(self._not_before_start(after_ms)))

    def prev_ms(self, before_ms: int) -> int | None:
        if self.expires_ms is not None:
            before_ms = min(before_ms, self.expires_ms + 1)
        return self._inside(self._inner.prev_ms(before_ms))

    def first_ms(self, saved_ms: int) -> int | None:
        return self._inside(self._inner.first_ms(self._not_before_start(saved_ms)))

    def _not_before_start(self, moment_ms: int) -> int:
        return moment_ms if self.starts_ms is None else max(moment_ms, self.starts_ms - 1)

    def _inside(self, due_ms: int | None) -> int | None:
        if due_ms is None:
            return None
        if self.starts_ms is not None and due_ms < self.starts_ms:
            return None
        if self.expires_ms is not None and due_ms > self.expires_ms:
            return None
        return due_ms


class Later(Schedule):
    """Another schedule, each due time of it ``by_ms`` later; nothing is due after ``expires_ms``."""

    def __init__(self, inner: Schedule, by_ms: int, *, expires_ms: int | None) -> None:
        self.inner = inner
        self.by_ms = by_ms
        self.expires_ms = expires_ms
        self.text = inner.text
        self.timezone = inner.timezone
        self.grace = inner.grace
        self.seeded = inner.seeded

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.inner.parts

    def next_ms(self, after_ms: int) -> int | None:
        return self._later(self.inner.next_ms(after_ms - self.by_ms))

    def prev_ms(self, before_ms: int) -> int | None:
        if self.expires_ms is not None:
            before_ms = min(before_ms, self.expires_ms + 1)
        return self._later(self.inner.prev_ms(before_ms - self.by_ms))

    def first_ms(self, saved_ms: int) -> int | None:
        return self._later(self.inner.first_ms(saved_ms - self.by_ms))

    def _later(self, due_ms: int | None) -> int | None:
        if due_ms is None:
            return None
        due_ms += self.by_ms
        return None if self.expires_ms is not None and due_ms > self.expires_ms else due_ms
