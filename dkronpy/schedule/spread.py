"""Values that spread jobs over time by their names: an even hash, and the one that ``~`` has in Dkron."""

from __future__ import annotations

import hashlib


def dkron_value(job: str, field: int) -> int:
    """What Dkron, and we for a job that came from there, put for ``~`` in ``field`` (0 seconds ... 5 day of week).

    The sum of the name's code points, cut to the field. Anagrams collide, names that differ in their digits crowd
    together (10,000 of them in 37 of 60 minutes), and a day of month stays under 29; it is kept because jobs from
    Dkron must keep their times.
    """
    total = sum(map(ord, job))
    modulus, first = ((60, 0), (60, 0), (24, 0), (28, 1), (12, 1), (7, 0))[field]
    return total % modulus + first


def even_value(job: str, field: int, low: int, high: int) -> int:
    """A value in [low, high] for ``~`` and ``H``: one for ever for a job and field, even over many jobs."""
    digest = hashlib.sha256(f"{field}\0{job}".encode("utf-8", "surrogatepass")).digest()
    return low + int.from_bytes(digest[:8], "big") % (high - low + 1)
