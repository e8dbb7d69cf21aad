"""An executor that does nothing, registered as a stranger's would be: what a run costs without the work itself."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import Options


class Nothing(Options, frozen=True):
    """There is nothing to say."""

    plugin: ClassVar[str] = "nothing"


class NothingExecutor(Executor[Nothing]):
    """Succeeds at once."""

    options = Nothing

    def execute(self, options: Nothing, context: ExecutionContext) -> Outcome:
        """Succeed."""
        return Outcome(success=True)


def register(folder: Path) -> list[str]:
    """Write into *folder* what an installed plugin has there; these are to be on the path of whoever may use it."""
    about = folder / "nothing-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: nothing\nVersion: 1\n")
    entry = f"[dkronpy.executors]\nnothing = scripts.{Path(__file__).stem}:NothingExecutor\n"
    (about / "entry_points.txt").write_text(entry)
    return [str(folder), str(Path(__file__).resolve().parent.parent)]
