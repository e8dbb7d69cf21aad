"""What a schedule says when it cannot be used: field, value, column, what is accepted, and a near word."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dkronpy.errors import ScheduleError
from dkronpy.schedule import parse
from dkronpy.schedule.problems import SchedulePositionError

MOMENT = "an RFC 3339 time such as 2027-01-01T09:30:00+01:00"
WORDS = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @minutely, @every, @at, @after, @manually"
EVERY = "@every and a duration from 100ms to 100 years, such as @every 90s, @every 1h30m or @every 1d"
GRACE = "< and an ISO 8601 duration above zero, such as <PT2H"
ZONE = "a name of the tz database, such as Europe/Berlin or UTC"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        # fields
        ("61 2 * * *", "minute: 61 is out of range 0-59 at column 1", ""),
        ("0 2 0 * *", "day of month: 0 is out of range 1-31 at column 5", ""),
        ("* * * 13 *", "month: 13 is out of range 1-12 at column 7", ""),
        ("* * * * 8", "day of week: 8 is out of range 0-7 at column 9", ""),
        ("0 60 * * * *", "minute: 60 is out of range 0-59 at column 3", ""),
        ("1,2,77 * * * *", "minute: 77 is out of range 0-59 at column 5", ""),
        ("0 5-99 * * *", "hour: 99 is out of range 0-23 at column 5", ""),
        ("  0   99 * * *", "hour: 99 is out of range 0-23 at column 7", ""),
        ("*/0 * * * *", "minute: a step must be 1 or more at column 3", ""),
        ("*/x * * * *", "minute: 'x' is not a step at column 3; accepted: a whole number, 1 or more", ""),
        ("*/ * * * *", "minute: a step is missing in '*/' at column 3; accepted: a whole number, 1 or more", ""),
        ("1-2-3 * * * *", "minute: '1-2-3' has two hyphens at column 1", ""),
        ("1/2/3 * * * *", "minute: '1/2/3' has two slashes at column 1", ""),
        ("1,,2 * * * *", "minute: an item of the list is empty at column 3", ""),
        (
            "5- * * * *",
            "minute: a value is missing in '5-' at column 3; accepted: 0-59, ranges, lists, steps, *, ?, ~, H",
            "",
        ),
        (
            "* x * * *",
            "hour: 'x' is not a value of this field at column 3; accepted: 0-23, ranges, lists, steps, *, ?, ~, H",
            "",
        ),
        (
            "* * * * MONDAY",
            (
                "day of week: 'MONDAY' is not a value of this field at column 9; accepted: 0-7 or SUN-SAT, ranges, "
                "lists, "
                "steps, *, ?, ~, H, 5L, MON#2"
            ),
            "did you mean 'MON'?",
        ),
        (
            "* * * JAM *",
            (
                "month: 'JAM' is not a value of this field at column 7; accepted: 1-12 or JAN-DEC, ranges, lists, "
                "steps, "
                "*, ?, ~, H"
            ),
            "did you mean 'JAN'?",
        ),
        (
            "* * 3LW * *",
            (
                "day of month: '3LW' is not a value of this field at column 5; accepted: 1-31, ranges, lists, steps, "
                "*, ?, "
                "~, H, L, L-3, LW, 15W"
            ),
            "",
        ),
        ("* * L/2 * *", "day of month: 'L' takes no step at column 5", ""),
        ("* * L-31 * *", "day of month: 'L-31' goes back further than a month has days at column 5", ""),
        ("* * 32W * *", "day of month: 32 is out of range 1-31 at column 5", ""),
        ("* * * * L", "day of week: L stands after a day of the week, as in 5L or FRIL at column 9", ""),
        ("* * * * MON#6", "day of week: '6' after # must be 1 to 5, as in MON#2 at column 13", ""),
        ("* * * * 9L", "day of week: 9 is out of range 0-7 at column 9", ""),
        ("H(5-99) * * * *", "minute: 'H(5-99)' is not a range within 0-59 at column 1", ""),
        ("H(9-5) * * * *", "minute: 'H(9-5)' is not a range within 0-59 at column 1", ""),
        # shape
        (
            "* * *",
            "schedule: expected 5 fields (minute hour day month weekday) or 6 (second first), found 3 at column 1",
            "",
        ),
        (
            "0 0 0 1 1 ? 2027",
            "schedule: expected 5 fields (minute hour day month weekday) or 6 (second first), found 7 at column 1",
            "",
        ),
        ("", "schedule: the schedule is empty; accepted: cron fields, @every 1h, @daily, @at, @manually", ""),
        ("* " * 1001, "schedule: the text has 2002 characters, more than 2000", ""),
        ("@daily | ", "schedule: a schedule is missing beside | at column 9", ""),
        ("| @daily", "schedule: a schedule is missing beside | at column 1", ""),
        (" | ".join(["@daily"] * 33), "schedule: 33 schedules in one text, more than 32", ""),
        ("@daily | 61 * * * *", "minute: 61 is out of range 0-59 at column 10", ""),
        (
            "@daily | @manually",
            "schedule: @manually stands alone: with another schedule beside it the job is not manual",
            "",
        ),
        # never
        ("0 0 30 2 *", "day of month: no month 2 has day of month 30, so the schedule never fires at column 5", ""),
        (
            "0 0 31 apr,jun *",
            "day of month: no month apr,jun has day of month 31, so the schedule never fires at column 5",
            "",
        ),
        (
            "0 0 30 2 */2",
            "day of month: no month 2 has day of month 30 on day of week */2, so the schedule never fires at column 5",
            "",
        ),
        (", * * * * *", "second: ',' names no value, so the schedule never fires at column 1", ""),
        # zones
        (
            "TZ=Europe/Belin @daily",
            f"timezone: unknown time zone 'Europe/Belin' at column 4; accepted: {ZONE}",
            "did you mean 'Europe/Berlin'?",
        ),
        (
            "@daily | CRON_TZ=Berlin @daily",
            f"timezone: unknown time zone 'Berlin' at column 18; accepted: {ZONE}",
            "did you mean 'Europe/Berlin'?",
        ),
        (
            "TZ=Local @daily",
            f"timezone: unknown time zone 'Local' at column 4; accepted: {ZONE}",
            "name the zone: Local differs from machine to machine",
        ),
        (
            "TZ=../../etc/passwd @daily",
            f"timezone: unknown time zone '../../etc/passwd' at column 4; accepted: {ZONE}",
            "",
        ),
        ("TZ= @daily", "timezone: a zone must follow TZ= at column 1; accepted: TZ=Europe/Berlin, for one", ""),
        (
            "TZ=Europe/Madrid",
            "schedule: a schedule must follow the zone at column 17; accepted: TZ=Europe/Madrid 30 2 * * *, for one",
            "",
        ),
        # keywords
        ("@dayly", f"schedule: '@dayly' is not known at column 1; accepted: {WORDS}", "did you mean '@daily'?"),
        (
            "@reboot",
            f"schedule: '@reboot' is not known at column 1; accepted: {WORDS}",
            "no schedule starts with a machine: use @manually and run the job from a service",
        ),
        ("@daily please", "schedule: 'please' after @daily means nothing at column 8; accepted: @daily alone", ""),
        ("@every", f"@every: '' is not a duration at column 1; accepted: {EVERY}", ""),
        ("@every 5min", f"@every: unknown unit 'min' in '5min' at column 8; accepted: {EVERY}", "did you mean '5m'?"),
        ("@every 0s", f"@every: '0s' is out of bounds at column 8; accepted: {EVERY}", ""),
        ("@every -1h", f"@every: '-1h' is below zero at column 8; accepted: {EVERY}", ""),
        ("@every 99ms", f"@every: '99ms' is out of bounds at column 8; accepted: {EVERY}", ""),
        ("@every 9999w", f"@every: '9999w' is out of bounds at column 8; accepted: {EVERY}", ""),
        ("@at", f"@at: the time is missing at column 1; accepted: {MOMENT}", ""),
        ("@at tomorrow", f"@at: 'tomorrow' is not a time at column 5; accepted: {MOMENT}", ""),
        (
            "@at 2027-02-30T00:00:00Z",
            (
                f"@at: '2027-02-30T00:00:00Z' is not a time (day is out of range for month) at column 5; accepted: "
                f"{MOMENT}"
            ),
            "",
        ),
        (
            "@at 2027-01-01T00:00:00",
            (
                "@at: '2027-01-01T00:00:00' names no zone at column 5; accepted: an offset (Z or +01:00), a TZ= in "
                "front, or "
                "the job's timezone"
            ),
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z",
            (
                "@after: a time and a grace period are needed at column 1; accepted: @after "
                "2027-01-01T09:30:00+01:00 <PT2H, "
                "for one"
            ),
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z PT2H",
            f"grace: 'PT2H' is not a grace period at column 29; accepted: {GRACE}",
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z <2H",
            f"grace: '2H' is not an ISO 8601 duration at column 29; accepted: {GRACE}",
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z <PT",
            f"grace: 'PT' is not an ISO 8601 duration at column 29; accepted: {GRACE}",
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z <PT0S",
            f"grace: a grace period must be above zero at column 29; accepted: {GRACE}",
            "",
        ),
        (
            "@after 2027-01-01T00:00:00Z <P999Y",
            f"grace: 'P999Y' is more than a hundred years at column 29; accepted: {GRACE}",
            "",
        ),
    ],
)
def test_a_text_that_cannot_be_used(text: str, message: str, hint: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "field", "value", "column", "dkron"),
    [
        ("0 60 * * * *", "minute", "60", 3, "end of range (60) above maximum (59): 60"),
        ("0 0 0 0 * *", "day of month", "0", 7, "beginning of range (0) below minimum (1): 0"),
        ("*/0 * * * * *", "second", "0", 3, "step of range should be a positive number: */0"),
        ("1-2-3 * * * * *", "second", "1-2-3", 1, "too many hyphens: 1-2-3"),
        ("1/2/3 * * * * *", "second", "1/2/3", 1, "too many slashes: 1/2/3"),
        ("x * * * * *", "second", "x", 1, 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("*/x * * * * *", "second", "x", 3, 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * *", "schedule", "* * *", 1, "expected exactly 6 fields, found 3: [* * *]"),
        ("@x", "schedule", "@x", 1, "unrecognized descriptor: @x"),
        ("TZ=X @daily", "timezone", "X", 4, "provided bad location X: unknown time zone X"),
        ("", "schedule", "", 0, "empty spec string"),
        (
            "@after 2027-01-01T00:00:00Z",
            "@after",
            "2027-01-01T00:00:00Z",
            1,
            "@after requires format: @after <RFC3339 datetime> <ISO8601 duration>, got: 2027-01-01T00:00:00Z",
        ),
        ("@after 2027-01-01T00:00:00Z P1D", "grace", "P1D", 29, "grace period must start with '<', got: P1D"),
    ],
)
def test_an_error_carries_its_place_and_dkron_s_words(
    text: str, field: str, value: str, column: int, dkron: str
) -> None:
    with pytest.raises(SchedulePositionError) as caught:
        parse(text)
    error = caught.value
    assert (error.field, error.value, error.column, error.dkron) == (field, value, column, dkron)


NAIVE = datetime(2027, 1, 1)  # noqa: DTZ001 - that it is naive is the point


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timezone": "Europe/Berln"}, f"timezone: unknown time zone 'Europe/Berln'; accepted: {ZONE}"),
        ({"gap": "later"}, "gap: 'later' is not known; accepted: skip, before, after"),
        ({"overlap": "all"}, "overlap: 'all' is not known; accepted: first, second, both"),
        ({"hash_rule": "odd"}, "hash_rule: 'odd' is not known; accepted: even, dkron"),
        ({"starts_at": NAIVE}, "starts_at: 2027-01-01T00:00:00 has no time zone; accepted: an aware time"),
        ({"expires_at": NAIVE}, "expires_at: 2027-01-01T00:00:00 has no time zone; accepted: an aware time"),
        ({"anchor": NAIVE}, "anchor: 2027-01-01T00:00:00 has no time zone; accepted: an aware time"),
        (
            {
                "starts_at": datetime(2028, 1, 1, tzinfo=timezone.utc),
                "expires_at": datetime(2027, 1, 1, tzinfo=timezone.utc),
            },
            (
                "expires_at: 2027-01-01T00:00:00+00:00 lies before starts_at, 2028-01-01T00:00:00+00:00: nothing "
                "would ever "
                "be due"
            ),
        ),
    ],
)
def test_arguments_that_cannot_be_used(options: dict[str, object], message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse("@daily", **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(
        ScheduleError, match="moment: 2027-01-01T00:00:00 has no time zone; accepted: an aware datetime"
    ):
        parse("@daily").next(NAIVE)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ScheduleError, match="schedule: 5 is not a text"):
        parse(5)  # type: ignore[arg-type]
