"""A report on its way home, and how far it has come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from dkronpy.agent.spool import Report
from dkronpy.execution import Execution, Run
from dkronpy.store.output import StoreCommand

log = logging.getLogger(__name__)


class Parcel:
    """A report, and where it is written down, if it is; what is known by now, what is to be kept, what went wrong."""

    def __init__(
        self,
        report: Report,
        name: str = "",
        last: Sequence[StoreCommand] = (),
        then: Callable[[], None] | None = None,
    ) -> None:
        self.report = report
        self.name = name
        self.last = last
        self.then = then
        self.handed_on = False
        self.set_out()

    def set_out(self) -> None:
        """Forget how far it came before."""
        self.error: Exception | None = None
        self.execution: Execution | None = None
        self.run: Run | None = None
        self.kept: Sequence[Execution] = ()
        self.to_process = False

    def tell(self) -> None:
        """It is safe: what follows may follow."""
        then, self.then = self.then, None
        try:
            if then is not None:
                then()
        except Exception:
            log.exception("what follows the outcome of %s failed", self.report.execution_id)
