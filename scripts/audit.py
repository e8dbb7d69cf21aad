"""Runs pip-audit over the installed packages and judges its report; a package that was skipped counts as a failure."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

OURS = frozenset({"dkronpy"})
EXPLAINED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is wrong, a line each; status 1 where there is anything."""
    parser = argparse.ArgumentParser(prog="scripts/audit", description=__doc__)
    parser.add_argument("--report", type=Path, help="judge this report of pip-audit (JSON) instead of making one")
    options = parser.parse_args(argv)
    report = options.report.read_text() if options.report else _audited()
    installed = {_plain(found.metadata["Name"]) for found in metadata.distributions()} if not options.report else set()
    problems = list(judged(report, installed))
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "every package was looked up; nothing is known against any")
    return 1 if problems else 0


def _audited() -> str:
    """The report of pip-audit, whatever its exit status."""
    command = [
        str(Path(sys.executable).parent / "pip-audit"),
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--local",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    return done.stdout


def judged(report: str, installed: set[str]) -> Iterator[str]:
    """What is wrong: advisories, packages that were skipped, packages that the report does not know."""
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        yield "there is no report: pip-audit did not get as far"
        return
    if not found:
        yield "the report names no package"
    for package in found:
        name = _plain(package["name"])
        if name in OURS:
            continue
        if "skip_reason" in package:
            yield f"{name}: was not looked up: {package['skip_reason']}"
        for advisory in package.get("vulns", ()):
            if advisory["id"] not in EXPLAINED:
                fixed = ", ".join(advisory.get("fix_versions", ())) or "nothing yet"
                yield f"{name} {package['version']}: {advisory['id']}, mended in {fixed}"
    known = {_plain(package["name"]) for package in found}
    for name in sorted(installed - known - OURS):
        yield f"{name}: was not looked up: the report does not know it"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    raise SystemExit(main())
