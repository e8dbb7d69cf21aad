"""What a job makes of an exit status or an HTTP status: which mean nothing to do, which are worth another try."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from dkronpy.plugins.executor import Outcome
from dkronpy.plugins.options import Options, doc
from dkronpy.plugins.values import Rejected, shown

_CODE = re.compile(r"([1-9])xx|(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.ASCII | re.IGNORECASE)
_ENDED_BY_ITSELF = frozenset({"", "exit", "executor_error"})


def read_code_ranges(value: Any) -> str:
    """Codes as ``75,100-110``, ``5xx``, a number, or a list of these."""
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    codes = [str(item).strip() for item in items if str(item).strip()]
    for code in codes:
        if isinstance(value, bool) or not _CODE.fullmatch(code) or _range(code)[0] > _range(code)[1]:
            raise Rejected(f"{shown(code)} is no code; accepted: 75, 75,80, 100-110, 5xx")
    return ",".join(codes)


_READ = msgspec.Meta(extra={"read": read_code_ranges, "kind": "codes"})
CodeRanges = Annotated[str | int | tuple[str | int, ...], _READ]
SkipCodes = Annotated[
    CodeRanges,
    _READ,
    doc("Codes that say there was nothing to do: a success, with a note. `99`, `100-110`, `404`."),
]
RetryCodes = Annotated[
    CodeRanges,
    _READ,
    doc(
        "Codes of a failure that another try may cure; with these given, other codes are not tried again. `75`, `5xx`."
    ),
]


def judged(outcome: Outcome, options: Options) -> Outcome:
    """*outcome* as the options ``skip_codes`` and ``retry_codes`` want it.

    What was ended from outside (timeout, cancel, signal, memory) stays as it is, whatever its code.
    """
    code = outcome.exit_code
    if code is None or outcome.reason not in _ENDED_BY_ITSELF:
        return outcome
    if in_codes(getattr(options, "skip_codes", ""), code):
        return msgspec.structs.replace(
            outcome, success=True, reason="", message=f"nothing to do: {code} is one of skip_codes"
        )
    retry_codes = getattr(options, "retry_codes", "")
    if outcome.success or not retry_codes:
        return outcome
    return msgspec.structs.replace(outcome, retryable=outcome.retryable and in_codes(retry_codes, code))


def in_codes(codes: object, code: int) -> bool:
    """Whether *code* is one of *codes*, a text that ``read_code_ranges`` made."""
    return any(low <= code <= high for low, high in map(_range, filter(None, str(codes).split(","))))


def _range(code: str) -> tuple[int, int]:
    if code[1:].lower() == "xx":
        return int(code[0]) * 100, int(code[0]) * 100 + 99
    low, _, high = code.partition("-")
    return int(low), int(high or low)
