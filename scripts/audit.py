"""Runs pip-audit over the installed packages and judges its report; a package that was skipped counts as a failure.

pip-audit asks the index for the page of each version. Some mirrors have none, but the page of each project, which tells
what is known against its newest version: a package that pip-audit skipped is looked up there.

scripts/audited.txt tells what was looked up and when: that is not asked again within thirty days, so that CI asks the
index about what is new, not about two hundred packages each time. --renew asks about all of them and writes that file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import requests
from packaging.version import Version
from pip._internal.models.index import PyPI

from dkronpy.clock import SystemClock, from_ms

OURS = frozenset({"dkronpy"})
EXPLAINED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason."""
HELD = {
    "atheris": "a newer one has no wheel for every Python that is used here; it only fuzzes",
    "jsonschema-rs": "schemathesis takes none from 0.61 on; only tests use it",
    "mpmath": "sympy, which only tests need, takes none from 1.4 on",
    "networkx": "newer ones need Python 3.12; only tests need it",
    "oidc-provider-mock": "newer ones need Python 3.12; it is a server of one test",
    "pip": "it came with Python, and only installs",
    "python-dateutil": "Celery takes exactly this one",
}
"""Packages that stay behind their newest version, each with the reason: no page says what is known against them."""
TIME_TO_UPGRADE = timedelta(days=14)
"""For so long after a newer version came the one before it may stay."""
RECORD = Path(__file__).with_name("audited.txt")
"""What was looked up, a line each: name, version, day (UTC). Nothing was known of any; of ``HELD`` no page tells."""
STANDS = timedelta(days=30)
"""For so long what was looked up is not asked again: an advisory may come later than its version."""
_TRIES, _PAUSE_SECONDS, _AT_ONCE = 4, 2.0, 6

Page = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is wrong, a line each; status 1 where there is anything."""
    parser = argparse.ArgumentParser(prog="scripts/audit", description=__doc__)
    parser.add_argument("--report", type=Path, help="judge this report of pip-audit (JSON) instead of making one")
    parser.add_argument("--renew", action="store_true", help="ask about every package, and write the record")
    options = parser.parse_args(argv)
    today = from_ms(SystemClock().now_ms()).date()
    installed = {_plain(found.metadata["Name"]): found.version for found in metadata.distributions()}
    asked = unrecorded(installed, "" if options.renew else RECORD.read_text(), today)
    if options.report:
        problems = list(judged(options.report.read_text(), set(), second_look=look_up))
    else:
        problems = list(judged(_audited(asked), set(asked), second_look=look_up)) if asked else []
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problems")
        return 1
    if options.renew:
        RECORD.write_text("".join(f"{name} {asked[name]} {today}\n" for name in sorted(asked)))
    print(f"nothing is known against any package; {len(asked)} of {len(installed)} were looked up just now")
    return 0


def unrecorded(installed: Mapping[str, str], record: str, today: date) -> dict[str, str]:
    """Those of *installed* (names and versions) that *record* does not have, or has had for too long."""
    stands = set()
    for line in record.splitlines():
        name, version, day = line.split()
        if today - date.fromisoformat(day) <= STANDS:
            stands.add((name, version))
    return {name: version for name, version in installed.items() if name not in OURS and (name, version) not in stands}


def _audited(packages: Mapping[str, str]) -> str:
    """The report of pip-audit about *packages* (names and versions), whatever its exit status."""
    command = [str(Path(sys.executable).parent / "pip-audit"), "--format", "json", "--progress-spinner", "off"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.writelines(f"{name}=={version}\n" for name, version in packages.items())
        pins.flush()
        command += ["--requirement", pins.name, "--no-deps", "--disable-pip"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    return done.stdout


def judged(report: str, installed: set[str], second_look: Callable[[str], Page | str] | None = None) -> Iterator[str]:
    """What is wrong: advisories, packages that were skipped, packages that the report does not know.

    *second_look* gives the page of a project that was skipped, or says why there is none.
    """
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        yield "there is no report: pip-audit did not get as far"
        return
    if not found:
        yield "the report names no package"
    skipped = [package for package in found if "skip_reason" in package and _plain(package["name"]) not in OURS]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        names = [str(package["name"]) for package in skipped]
        pages = list(pool.map(second_look, names)) if second_look else [package["skip_reason"] for package in skipped]
    for package, page in zip(skipped, pages, strict=True):
        name = _plain(package["name"])
        if isinstance(page, str):
            yield f"{name}: was not looked up: {page}"
        else:
            yield from by_page(name, metadata.version(name), page, from_ms(SystemClock().now_ms()))
    for package in found:
        name = _plain(package["name"])
        if name in OURS:
            continue
        for advisory in package.get("vulns", ()):
            if advisory["id"] not in EXPLAINED:
                fixed = ", ".join(advisory.get("fix_versions", ())) or "nothing yet"
                yield f"{name} {package['version']}: {advisory['id']}, mended in {fixed}"
    known = {_plain(package["name"]) for package in found}
    for name in sorted(installed - known - OURS):
        yield f"{name}: was not looked up: the report does not know it"


def by_page(name: str, version: str, page: Page, now: datetime) -> Iterator[str]:
    """What the page of a project says against the installed *version*, or that it says nothing of it."""
    newest = page["info"]["version"]
    if Version(newest) != Version(version):
        since = _replaced(version, page)
        if name not in HELD and (since is None or now - since > TIME_TO_UPGRADE):
            yield f"{name} {version}: was not looked up: {newest} is there; upgrade it, or say in HELD why it stays"
        return
    for advisory in page["vulnerabilities"]:
        if not advisory.get("withdrawn") and advisory["id"] not in EXPLAINED:
            fixed = ", ".join(advisory.get("fixed_in") or ()) or "nothing yet"
            yield f"{name} {version}: {advisory['id']}, mended in {fixed}"


def _replaced(version: str, page: Page) -> datetime | None:
    """When the first version came that is newer than *version*, if that is known."""
    times = [
        datetime.fromisoformat(files[0]["upload_time"]).replace(tzinfo=timezone.utc)
        for name, files in page.get("releases", {}).items()
        if files and _newer(name, version)
    ]
    return min(times, default=None)


def _newer(name: str, version: str) -> bool:
    try:
        found = Version(name)
    except ValueError:  # of the time before versions had rules
        return False
    return found > Version(version) and not found.is_prerelease


def look_up(name: str) -> Page | str:
    """The index's page of a project, or why there is none."""
    for again in range(_TRIES):
        time.sleep(again * _PAUSE_SECONDS)
        try:
            answer = requests.get(f"{PyPI.pypi_url}/{name}/json", timeout=30)
            answer.raise_for_status()
            page: Page = answer.json()
        except (requests.RequestException, ValueError) as error:
            said = str(error)
        else:
            return page if "vulnerabilities" in page else "its page does not say what is known against it"
    return said


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    raise SystemExit(main())
