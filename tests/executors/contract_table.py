"""The table at the end of a test run: how every executor did in every case, of the contract and on its own server.

A test that shows a case on the real server of an executor bears ``@pytest.mark.shows(case)``; whose executor it is says
its file.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dkronpy.testing.contract import ExecutorContract

SHOWN = (
    "refused connection",
    "wrong credentials",
    "own authority and a wrong one",
    "read back byte by byte",
    "killed in mid run and back",
)
"""What is shown of every executor that has a server, besides the contract."""
CASE = "contract"
_WORDS = {"passed": "ok", "failed": "FAILED", "error": "ERROR", "skipped": "SKIPPED"}


def note_case(item: pytest.Item) -> None:
    """Have the report of a test take along its executor and its case, if it is one of those."""
    kind = getattr(item, "cls", None)
    if kind is not None and issubclass(kind, ExecutorContract):
        case = item.name.removeprefix("test_contract_").removeprefix("test_").replace("_", " ")
        item.user_properties.append((CASE, [kind.executor.options.plugin, case]))
    for mark in item.iter_markers("shows"):
        item.user_properties.append((CASE, [_executor_of(item.path.stem), *mark.args]))


def _executor_of(module: str) -> str:
    """``test_kafka_sign_in`` is about ``kafka``."""
    return module.split("_")[1]


def write_table(terminal: pytest.TerminalReporter) -> None:
    """Write a line for each case and a column for each executor; nothing where no contract was run."""
    found: dict[tuple[str, str], str] = {}
    for outcome, word in _WORDS.items():
        for plugin, case in _cases(terminal, outcome):
            found[case, plugin] = word
    if not found:
        return
    cases = sorted({case for case, _ in found}, key=lambda case: (case in SHOWN, case))
    plugins = sorted({plugin for _, plugin in found})
    width = max(map(len, cases)) + 2
    columns = [max(len(plugin), 7) + 2 for plugin in plugins]
    terminal.section("the contract of executors")
    terminal.write_line(" " * width + "".join(f"{name:>{size}}" for name, size in zip(plugins, columns, strict=True)))
    for case in cases:
        cells = [found.get((case, plugin), "-") for plugin in plugins]
        row = "".join(f"{cell:>{size}}" for cell, size in zip(cells, columns, strict=True))
        terminal.write_line(f"{case:{width}}{row}")


def _cases(terminal: pytest.TerminalReporter, outcome: str) -> Iterator[tuple[str, str]]:
    for report in terminal.stats.get(outcome, ()):
        for name, value in getattr(report, "user_properties", ()):
            if name == CASE:
                yield value[0], value[1]
