"""The page on notifications: every option stands in its table, every event is explained, and its code works.

``python -m tests.notifiers.test_docs`` writes the tables anew from the options themselves.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dkronpy.job.notify import EVENTS
from dkronpy.notices.channel import Channels
from dkronpy.plugins.registry import names, options_type
from dkronpy.settings import load_settings
from tests.executors.test_docs import END, table
from tests.notifiers.test_sinks import FAILURE
from tests.support import ROOT

PAGE = ROOT / "docs" / "notifications.md"
CODE = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def marks(name: str) -> tuple[str, str]:
    return f"<!-- options of {name} -->\n", END


@pytest.mark.parametrize("name", names("notifier"))
def test_the_table_is_that_of_the_options(name: str) -> None:
    begin, end = marks(name)
    found = PAGE.read_text().partition(begin)[2].partition(end)[0]
    assert found == table(options_type(name, "notifier")), "run: python -m tests.notifiers.test_docs"


def test_every_event_is_explained() -> None:
    rows = " ".join(line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `"))
    assert set(EVENTS) <= set(re.findall(r"`(\w+)`", rows))


def test_the_settings_of_the_page_are_taken(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(CODE[0])
    found = Channels(load_settings(tmp_path, {})[0])
    assert found.problems == []
    assert {one.name for one in found} == {"ops", "bi", "pager", "hook"}


def test_the_notifier_of_the_page_works(tmp_path: Path) -> None:
    path = tmp_path / "bell_page.py"
    path.write_text("from __future__ import annotations\n" + CODE[-1])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        module.BellNotifier().send(FAILURE, module.Bell.from_config({"device": str(tmp_path / "tty")}))
    finally:
        del sys.modules[path.stem]
    assert (tmp_path / "tty").read_text().startswith("\abackup failed on web1")


if __name__ == "__main__":
    for name in names("notifier"):
        begin, end = marks(name)
        before, _, rest = PAGE.read_text().partition(begin)
        PAGE.write_text(before + begin + table(options_type(name, "notifier")) + end + rest.partition(end)[2])
