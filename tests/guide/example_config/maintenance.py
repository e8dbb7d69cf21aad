"""What the jobs of this configuration call; there are no jobs in it."""

from __future__ import annotations


def purge(days: int, *, dry_run: bool = True) -> list[str]:
    """The uploads that were deleted, or would have been."""
    return [] if dry_run else [f"older than {days} days"]
