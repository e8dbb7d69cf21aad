"""How beats share the shards of due times."""

from __future__ import annotations

import pytest

from dkronpy.scheduler.shards import share
from dkronpy.store.keys import shard_of


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("beats", [1, 2, 3, 5])
def test_every_shard_is_somebodys_and_nobody_has_two_more_than_another(shards: int, beats: int) -> None:
    names = [f"beat-{number}" for number in range(beats)]

    shares = [share(name, names, shards) for name in names]

    assert sum(shares) == shards
    assert max(shares) - min(shares) <= 1


def test_a_beat_that_is_not_listed_yet_counts_itself() -> None:
    assert share("b", ["a"], 4) == 2


def test_names_spread_over_all_shards() -> None:
    found = [shard_of(f"job-{number:04d}", 8) for number in range(8000)]

    assert {shard for shard in found if 800 < found.count(shard) < 1200} == set(range(8))


def test_one_shard_has_every_job() -> None:
    assert {shard_of(name, 1) for name in ("a", "backup", "ü")} == {0}
