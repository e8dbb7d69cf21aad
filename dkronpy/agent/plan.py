"""What is to be done with the output of an attempt, as it goes into the spool beside the outcome."""

from __future__ import annotations

from typing import Any

import msgspec

from dkronpy.plugins.processor import ExecutionInfo
from dkronpy.plugins.template import Facts


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A processor by name, and its options as the job has them: templates and references to secrets as they are."""

    processor: str
    config: dict[str, Any] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The processors in their order, and what they and their templates are told of the attempt."""

    steps: tuple[Step, ...]
    info: ExecutionInfo
    facts: Facts
