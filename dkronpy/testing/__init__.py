"""What users and plugin authors test with: executors without a server or an agent, and jobs in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dkronpy.testing.contract import ExecutorContract
    from dkronpy.testing.harness import ExecutorHarness
    from dkronpy.testing.virtual_time import Simulate, simulation

__all__ = ["ExecutorContract", "ExecutorHarness", "Simulate", "simulation"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: the contract needs pytest, the harness does not."""
    if name == "ExecutorContract":
        from dkronpy.testing.contract import ExecutorContract

        return ExecutorContract
    if name == "ExecutorHarness":
        from dkronpy.testing.harness import ExecutorHarness

        return ExecutorHarness
    if name in ("Simulate", "simulation"):
        from dkronpy.testing import virtual_time

        return getattr(virtual_time, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
