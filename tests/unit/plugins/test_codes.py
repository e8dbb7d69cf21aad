"""Exit statuses and HTTP statuses that mean nothing to do, or are worth another try."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dkronpy.executors.http import Http
from dkronpy.executors.python import Python
from dkronpy.executors.shell import Shell
from dkronpy.plugins.codes import in_codes, judged, read_code_ranges
from dkronpy.plugins.executor import Outcome
from dkronpy.plugins.options import Options
from dkronpy.plugins.values import Rejected

FAILED = Outcome(success=False, reason="exit", message="exit status 75", exit_code=75)


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        (75, [75], [74, 76]),
        ("75, 80", [75, 80], [77]),
        ("100-110", [100, 105, 110], [99, 111]),
        ((429, "5xx"), [429, 500, 599], [400, 600]),
        ("", [], [0, 1]),
    ],
)
def test_how_codes_are_written(given: Any, inside: list[int], outside: list[int]) -> None:
    codes = read_code_ranges(given)
    assert read_code_ranges(codes) == codes
    assert [code for code in (*inside, *outside) if in_codes(codes, code)] == inside


@pytest.mark.parametrize("given", ["x", "5x", "1000", "-1", "9-3", True, ["a"]])
def test_what_is_no_code(given: Any) -> None:
    with pytest.raises(Rejected, match="is no code; accepted"):
        read_code_ranges(given)


@pytest.mark.parametrize(
    "options", [Shell("x", skip_codes="70-79"), Python("a:b").but(skip_codes="70-79"), Http("http://x", skip_codes=75)]
)
def test_a_code_may_say_that_there_was_nothing_to_do(options: Options) -> None:
    outcome = judged(FAILED, options)
    assert outcome.success
    assert outcome.reason == ""
    assert outcome.message == "nothing to do: 75 is one of skip_codes"
    assert not judged(msgspec.structs.replace(FAILED, exit_code=1), options).success


def test_only_some_codes_are_worth_another_try() -> None:
    options = Shell("x", retry_codes="75")
    assert judged(FAILED, options).retryable
    assert not judged(msgspec.structs.replace(FAILED, exit_code=1), options).retryable
    assert judged(FAILED, Shell("x")).retryable, "without retry_codes every failure is"
    assert not judged(msgspec.structs.replace(FAILED, retryable=False), options).retryable


@pytest.mark.parametrize("reason", ["timeout", "cancelled", "signal", "oom", "lease_lost_killed"])
def test_what_was_ended_from_outside_stays_as_it_is(reason: str) -> None:
    ended = Outcome(success=False, reason=reason, exit_code=75)
    assert judged(ended, Shell("x", skip_codes="75", retry_codes="1")) == ended
