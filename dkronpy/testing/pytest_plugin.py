"""pytest's fixture ``dkronpy_job``: a job of the user's own configuration, run in a test as `dkronpy try` runs it.

It is there in every project that has dkronpy and pytest; nothing of dkronpy is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dkronpy.job import Job

OPTION = "dkronpy_config"


@dataclass(frozen=True, kw_only=True)
class TriedRun:
    """How a job ended in a test: its output as text, and what the executor said."""

    success: bool
    output: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    result: Any = None


@dataclass(frozen=True, kw_only=True)
class TriedJob:
    """A job of the configuration; ``definition`` is the job itself, for a test that looks at its fields."""

    definition: Job
    paths: tuple[str, ...] = ()

    def run(self, *, secrets: Mapping[str, str] | None = None, node: str = "test") -> TriedRun:
        """Run it once, here and now, as the node *node*. *secrets* are the values of those that it refers to.

        Raises InvalidError for options that cannot be used, NotFoundError for a secret that was not given.
        """
        from dkronpy.errors import NotFoundError
        from dkronpy.secret import Secret
        from dkronpy.trial import Trial

        given = dict(secrets or {})

        def resolve(reference: Secret) -> str:
            if reference.secret not in given:
                hint = f"run(secrets={{{reference.secret!r}: ...}})"
                raise NotFoundError(f"the test gives no secret {reference.secret!r}: {hint}")
            return given[reference.secret]

        output = bytearray()
        outcome = Trial(self.definition, resolve, output.extend, node=node, paths=self.paths).run()
        return TriedRun(
            success=outcome.success,
            output=output.decode("utf-8", "replace"),
            reason=outcome.reason,
            message=outcome.message,
            exit_code=outcome.exit_code,
            result=outcome.result,
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one setting: where the jobs are."""
    parser.addini(OPTION, "the configuration whose jobs the fixture dkronpy_job runs", default="config")


@pytest.fixture
def dkronpy_job(request: pytest.FixtureRequest) -> Callable[..., TriedJob]:
    """``dkronpy_job("backup").run()``: a job of the configuration that ``dkronpy_config`` names, run here and now."""

    def find(name: str, *, config: str | None = None) -> TriedJob:
        from dkronpy.config import load_jobs
        from dkronpy.schedule.problems import did_you_mean

        place = config or str(request.config.rootpath / request.config.getini(OPTION))
        loaded = load_jobs(place)
        known = {job.name: job for job in loaded.jobs}
        problems = [one for one in loaded.problems if one.job == name or (one.fatal and name not in known)]
        if problems:
            pytest.fail("\n".join(map(str, problems)), pytrace=False)
        if name not in known:
            pytest.fail(f"{place} has no job named {name!r} {did_you_mean(name, known)}".strip(), pytrace=False)
        return TriedJob(definition=known[name], paths=(loaded.sys_path,))

    return find
