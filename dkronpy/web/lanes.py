"""Lanes of a row: what went on at the same time stands one below the other."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 6
"""Lanes that a row has; what went on at the same time beyond that is drawn over the last one."""


def lanes_of(spans: Sequence[tuple[int, int]], now_ms: int) -> list[int]:
    """The lane of each of some spans (begin, end; 0 for what goes on): the first one that is free when it begins."""
    lanes, free = [0] * len(spans), [0] * MOST
    for number in sorted(range(len(spans)), key=lambda number: spans[number]):
        begin, end = spans[number]
        lane = next((one for one, until in enumerate(free) if until <= begin), MOST - 1)
        free[lane] = max(free[lane], end or now_ms)
        lanes[number] = lane
    return lanes
