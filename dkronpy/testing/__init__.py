"""What plugin authors test with: an execution context without a server or an agent, and the contract of executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dkronpy.testing.contract import ExecutorContract
    from dkronpy.testing.harness import ExecutorHarness

__all__ = ["ExecutorContract", "ExecutorHarness"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: the contract needs pytest, the harness does not."""
    if name == "ExecutorContract":
        from dkronpy.testing.contract import ExecutorContract

        return ExecutorContract
    if name == "ExecutorHarness":
        from dkronpy.testing.harness import ExecutorHarness

        return ExecutorHarness
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
