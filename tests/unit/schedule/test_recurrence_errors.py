"""What a recurrence rule says when it cannot be used."""

from __future__ import annotations

import pytest

from dkronpy.errors import ScheduleError
from dkronpy.schedule import parse

PARTS = (
    "FREQ, INTERVAL, COUNT, UNTIL, WKST, BYDAY, BYSECOND, BYMINUTE, BYHOUR, BYMONTHDAY, BYYEARDAY, BYWEEKNO, "
    "BYMONTH, BYSETPOS"
)
ZONE = "a name of the tz database, such as Europe/Berlin or UTC"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "DTSTART:20270101T090000",
            "RRULE: RRULE is missing at column 1; accepted: RRULE:FREQ=DAILY;BYHOUR=9, for one",
            "",
        ),
        (
            "RRULE:FREQ=DAILY EXDATE:20270101",
            "RRULE: 'EXDATE:20270101' is not understood here at column 18; accepted: DTSTART:... and one RRULE:...",
            "",
        ),
        (
            "DTSTART RRULE:FREQ=DAILY",
            "schedule: expected 5 fields (minute hour day month weekday) or 6 (second first), found 2 at column 1",
            "",
        ),
        (
            "DTSTART;TZID=Berlin:20270101 RRULE:FREQ=DAILY",
            f"timezone: unknown time zone 'Berlin' at column 14; accepted: {ZONE}",
            "did you mean 'Europe/Berlin'?",
        ),
        (
            "DTSTART;VALUE=DATE:20270101 RRULE:FREQ=DAILY",
            "DTSTART: 'VALUE=DATE' is not known at column 9; accepted: TZID=Europe/Berlin",
            "",
        ),
        (
            "DTSTART;TZID=UTC RRULE:FREQ=DAILY",
            "DTSTART: a time is missing at column 1; accepted: DTSTART:20270101T090000, for one",
            "",
        ),
        (
            "DTSTART:2027 RRULE:FREQ=DAILY",
            "DTSTART: '2027' is not a time at column 9; accepted: 20270101T090000, 20270101T090000Z or 20270101",
            "",
        ),
        (
            "DTSTART:20270230 RRULE:FREQ=DAILY",
            (
                "DTSTART: '20270230' is not a time (day is out of range for month) at column 9; accepted: "
                "20270101T090000, "
                "20270101T090000Z or 20270101"
            ),
            "",
        ),
        (
            "RRULE:BYHOUR=9",
            (
                "RRULE: FREQ is missing at column 1; accepted: FREQ= and one of SECONDLY, MINUTELY, HOURLY, DAILY, "
                "WEEKLY, "
                "MONTHLY, YEARLY"
            ),
            "",
        ),
        (
            "RRULE:FREQ=DAYLY",
            (
                "FREQ: 'DAYLY' is not a frequency at column 12; accepted: SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, "
                "MONTHLY, "
                "YEARLY"
            ),
            "did you mean 'DAILY'?",
        ),
        (
            "RRULE:FREQ=DAILY;BYHOURS=9",
            f"RRULE: 'BYHOURS=9' is not a part of a rule at column 18; accepted: {PARTS}",
            "did you mean 'BYHOUR'?",
        ),
        ("RRULE:FREQ=DAILY;FREQ=DAILY", "RRULE: FREQ is there twice at column 18", ""),
        ("RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL: '0' is out of bounds at column 27; accepted: 1-3652", ""),
        ("RRULE:FREQ=DAILY;COUNT=10001", "COUNT: '10001' is out of bounds at column 24; accepted: 1-10000", ""),
        ("RRULE:FREQ=DAILY;BYHOUR=9,24", "BYHOUR: '24' is out of bounds at column 27; accepted: 0-23", ""),
        (
            "RRULE:FREQ=DAILY;BYMONTHDAY=-32",
            "BYMONTHDAY: '-32' is out of bounds at column 29; accepted: 1-31, or -1 to -31 from the end",
            "",
        ),
        (
            "RRULE:FREQ=MONTHLY;BYDAY=2MON",
            "BYDAY: '2MON' is out of bounds at column 26; accepted: MO TU WE TH FR SA SU, also as 2MO or -1FR",
            "",
        ),
        (
            "RRULE:FREQ=MONTHLY;BYDAY=MO,21FR",
            "BYDAY: no month has '21FR' at column 29; accepted: 1FR-5FR, or -5 to -1 from the end",
            "",
        ),
        (
            "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-6MO",
            "BYDAY: no month has '-6MO' at column 35; accepted: 1MO-5MO, or -5 to -1 from the end",
            "",
        ),
        (
            "RRULE:FREQ=WEEKLY;BYDAY=2FR",
            (
                "BYDAY: '2FR' counts the weekdays of a month or year at column 25; accepted: FR without a number, or "
                "FREQ=MONTHLY or FREQ=YEARLY without BYWEEKNO"
            ),
            "",
        ),
        (
            "RRULE:FREQ=WEEKLY;WKST=2MO",
            "WKST: '2MO' is out of bounds at column 24; accepted: MO TU WE TH FR SA SU",
            "",
        ),
        (
            "RRULE:FREQ=DAILY;COUNT=3;UNTIL=20280101",
            "UNTIL: COUNT and UNTIL exclude one another at column 32; accepted: one of them",
            "",
        ),
        (
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "RRULE: no time matches all parts of the rule, so it never fires at column 1",
            "",
        ),
        (
            "DTSTART:20270101T000000 RRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=3",
            (
                "RRULE: the parts of the rule exclude one another (Invalid rrule byxxx generates an empty set.) at "
                "column 25"
            ),
            "",
        ),
    ],
)
def test_a_rule_that_cannot_be_used(text: str, message: str, hint: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert caught.value.hint == hint
