"""Fuzzes every parser, each in a process of its own, led by the lines that its input reaches (Atheris, libFuzzer)."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LONGEST = 4096
"""Bytes of an input; what takes longer than ``SLOW`` seconds to read counts as a finding."""
SLOW = 10


def main(argv: Sequence[str] | None = None) -> int:
    """One line a parser; status 1 where there is a finding, whose input is kept and named."""
    if argv is None and sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    from tests.security.parsers import PARSERS

    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PARSER", help=f"all unless said: {', '.join(PARSERS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--inputs", type=int, default=-1, help="for each parser; the same ones for the same seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=ROOT / "fuzz-findings", help="where findings are kept")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(PARSERS):
        parser.error(f"there is no parser {', '.join(sorted(unknown))}; they are {', '.join(PARSERS)}")
    found = [name for name in options.names or PARSERS if not fuzz(name, options)]
    print(f"findings: {', '.join(found)}" if found else f"nothing found, seed {options.seed}")
    return 1 if found else 0


def fuzz(name: str, options: argparse.Namespace) -> bool:
    """Fuzz one parser; whether all is well."""
    from tests.security.parsers import write_samples

    keep = options.keep
    with tempfile.TemporaryDirectory() as folder:
        write_samples(name, Path(folder))
        keep.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, __file__, "--child", name, folder, f"-seed={options.seed}",
            f"-max_total_time={options.seconds}", f"-runs={options.inputs}", f"-max_len={LONGEST}", f"-timeout={SLOW}",
            f"-artifact_prefix={keep}/{name}-", "-rss_limit_mb=1024", "-verbosity=1",
        ]  # fmt: skip
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=env)
    said = done.stdout + done.stderr
    runs = re.search(r"Done (\d+) runs", said)
    if done.returncode == 0 and runs:
        print(f"{name}: {int(runs[1]):,} inputs, nothing found", flush=True)
        keep.rmdir() if not any(keep.iterdir()) else None
        return True
    print(f"{name}: FOUND\n{said[-3000:]}", flush=True)
    return False


def child(name: str, *arguments: str) -> int:
    """Fuzz in this process, and end it."""
    import atheris

    with atheris.instrument_imports(include=["dkronpy"]):
        from tests.security.parsers import try_one
    atheris.Setup([sys.argv[0], *arguments], lambda data: try_one(name, data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
