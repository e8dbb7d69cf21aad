"""The table at the end of a test run: how every executor did in every case of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

CASE = "contract"
_WORDS = {"passed": "ok", "failed": "FAILED", "error": "ERROR", "skipped": "SKIPPED"}


def write_table(terminal: pytest.TerminalReporter) -> None:
    """Write a line for each case and a column for each executor; nothing where no contract was run."""
    found: dict[tuple[str, str], str] = {}
    for outcome, word in _WORDS.items():
        for plugin, case in _cases(terminal, outcome):
            found[case, plugin] = word
    if not found:
        return
    cases = list(dict.fromkeys(case for case, _ in found))
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
