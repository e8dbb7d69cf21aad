"""``~`` and ``H`` spread evenly, ``~`` by Dkron's rule as Dkron does; all stay the same for ever."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from dkronpy.schedule import parse
from dkronpy.schedule.spread import dkron_value, even_value


@pytest.mark.parametrize(
    ("job", "fields"),
    [("test_job", "18 18 18 19 7 4"), ("backup", "30 30 6 15 7 0"), ("a", "37 37 1 14 2 6"), ("éa", "30 30 18 23 7 1")],
)
def test_dkron_s_own_values(job: str, fields: str) -> None:
    assert [dkron_value(job, place) for place in range(6)] == [int(value) for value in fields.split()]
    spread, plain = parse("~ ~ ~ ~ ~ ~", job=job, hash_rule="dkron"), parse(fields)
    assert list(map(spread.next_ms, (0, 10**12))) == list(map(plain.next_ms, (0, 10**12)))


def same(spread: str, plain: str, **options: str) -> bool:
    one, other = parse(spread, job="test_job", **options), parse(plain)  # type: ignore[arg-type]
    moments = range(0, 10**9, 7_777_777)
    return list(map(one.next_ms, moments)) == list(map(other.next_ms, moments))


def test_tilde_stands_for_its_value_wherever_a_value_may_stand() -> None:
    assert same("~ * * * *", "18 * * * *", hash_rule="dkron")
    assert same("0 ~ ~ * * *", "0 18 18 * * *", hash_rule="dkron")
    assert same("~-30 5,~ * * *", "18-30 5,18 * * *", hash_rule="dkron")
    assert same("TZ=UTC ~ * * * *", "18 * * * *", hash_rule="dkron")
    # Two blanks between fields move Dkron's values to the wrong field; not here.
    assert same("0  ~ * * * *", "0 18 * * * *", hash_rule="dkron")


def test_tilde_has_the_value_of_h_unless_dkron_s_rule_is_asked_for() -> None:
    for fields in ("{} * * * *", "{} {} * * *", "0 0 {} * *", "0 0 1 {} *", "{}/15 * * * *", "0 0 {}/10 * *"):
        spread, other = fields.replace("{}", "~"), fields.replace("{}", "H")
        first, second = (parse(text, job="backup").next_ms(10**12) for text in (spread, other))
        assert first == second is not None


def test_tilde_with_a_step_goes_all_the_way_round_unless_dkron_s_rule_is_asked_for() -> None:
    assert same("~/15 * * * *", "18/15 * * * *", hash_rule="dkron")
    due = list(parse("~/15 * * * *", job="backup").between_ms(-1, 3_600_000 - 1))
    assert [later - earlier for earlier, later in pairwise(due)] == [900_000] * 3


def test_ten_thousand_names_fill_every_minute_evenly_where_dkron_s_rule_crowds_them() -> None:
    names = [f"job-{number:04d}" for number in range(10_000)]
    dkron, even = (
        Counter((parse("~ * * * *", job=name, hash_rule=rule).next_ms(-1) or 0) // 60_000 for name in names)
        for rule in ("dkron", "even")
    )
    assert len(dkron) == 37
    assert max(dkron.values()) > 600
    assert len(even) == 60
    assert 120 < min(even.values()) <= 10_000 / 60 <= max(even.values()) < 215


def test_h_is_the_same_for_ever() -> None:
    # These values are part of the promise: jobs must not move when the program is updated.
    assert [even_value("backup", place, 0, 59) for place in range(3)] == [3, 46, 44]
    assert parse("H H * * *", job="backup").next_ms(0) == 74_760_000


def test_h_spreads_evenly() -> None:
    counts = Counter(even_value(f"job-{number}", 1, 0, 59) for number in range(6_000))
    assert len(counts) == 60
    assert min(counts.values()) > 60
    assert max(counts.values()) < 150


def test_h_stays_within_its_range_and_its_field() -> None:
    for number in range(200):
        job = f"job-{number}"
        minute, hour, day = (
            parse(text, job=job).next_ms(-1) or 0 for text in ("H(10-19) 0 1 1 *", "0 H(3-4) 1 1 *", "0 0 H 1 *")
        )
        assert 10 <= minute // 60_000 <= 19
        assert 3 <= hour // 3_600_000 <= 4
        assert 0 <= day // 86_400_000 <= 27


def test_h_with_a_step_has_a_phase_of_its_own() -> None:
    phases = Counter((parse("H/15 * * * *", job=f"job-{number}").next_ms(-1) or 0) // 60_000 for number in range(300))
    assert set(phases) == set(range(15))
    schedule = parse("H(0-29)/10 * * * *", job="x")
    minutes = {(due // 60_000) % 60 for due in schedule.between_ms(-1, 3_600_000 - 1)}
    assert len(minutes) == 3
    assert max(minutes) <= 29


def test_a_schedule_says_that_the_name_decides() -> None:
    assert parse("H * * * *").seeded
    assert parse("0 0 | ~ * * * *".replace("0 0 |", "@daily |")).seeded
    assert not parse("0 0 * * THU").seeded
