"""The page on plugins: its code runs, and it names what there is."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dkronpy.job import Job, Run
from dkronpy.plugins._jinja import _FILTERS
from dkronpy.plugins.template_names import NAMES
from dkronpy.testing import Simulate, simulation
from dkronpy.testing.harness import ExecutorHarness
from tests.processors.conftest import INFO
from tests.support import ROOT

__all__ = ["simulation"]
PAGE = (ROOT / "docs" / "plugins.md").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's Python code as a module. What it takes from its reader's ``config.jobs`` is there for it alone."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    path = tmp_path_factory.mktemp("page") / "plugins_page.py"
    path.write_text("from __future__ import annotations\n" + "\n".join(blocks))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    readers: Any = ModuleType("config.jobs")
    readers.backup = Job(name="backup", schedule="0 2 * * *", run=Run("shell", {"command": "backup"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, path.stem, module)
        with pytest.MonkeyPatch.context() as reading:  # this repository has a config.jobs too, loaded or not
            reading.setitem(sys.modules, "config", ModuleType("config"))
            reading.setitem(sys.modules, "config.jobs", readers)
            spec.loader.exec_module(module)
        yield module


def test_the_executor_works(page: Any, tmp_path: Path) -> None:
    with ExecutorHarness() as harness:
        outcome, output = harness.run(page.TouchExecutor(), page.Touch(path=str(tmp_path / "x")))
        assert (outcome.success, output) == (True, b"touched\n")
        assert (tmp_path / "x").exists()
        assert not harness.run(page.TouchExecutor(), page.Touch(path="/none/such"))[0].retryable


def test_the_processor_works(page: Any, tmp_path: Path) -> None:
    options = page.Count.from_config({"path": str(tmp_path / "x")})
    assert page.CountProcessor().process(b"a\nb\n", options, INFO) == f"Lines counted in {tmp_path}/x".encode()
    assert (tmp_path / "x").read_text() == f"{INFO.id} failed 2\n"


def test_the_simulation_works(page: Any, simulation: Simulate) -> None:
    page.test_the_backup_survives_an_outage(simulation)


def test_every_name_and_every_filter_of_templates_is_documented() -> None:
    text = PAGE.partition("## Templates")[2].partition("## The contract")[0]
    assert [name for name in NAMES if not re.search(rf"{{{{ {name}\b", text)] == []
    assert [name for name in (*_FILTERS, "replace") if name != "d" and f"`{name}`" not in text] == []
