"""The scripts that people start with: what they do when there is nothing to do, and what they say when they cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a small environment."""
    environment = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and the metadata, and nothing installed."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def pretend_installed(checkout: Path, *, path: Path) -> None:
    """Leave what a complete installation in the folder ``path`` leaves."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/bin/true")
    stamp = run("sh", "-c", "cat setup.cfg pyproject.toml | cksum", cwd=checkout).stdout.strip()
    (checkout / ".venv" / "installed-dev").write_text(f"{path} {stamp}\n")


@pytest.mark.parametrize("arguments", [(), ("dev",)])
def test_a_second_start_installs_nothing(checkout: Path, arguments: tuple[str, ...]) -> None:
    pretend_installed(checkout, path=checkout.resolve())
    again = run(checkout / "scripts/venv", *arguments, PYTHON="/bin/false")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_changed_metadata_are_installed_again(checkout: Path) -> None:
    pretend_installed(checkout, path=checkout.resolve())
    with (checkout / "setup.cfg").open("a") as setup:
        setup.write("# changed\n")
    again = run(checkout / "scripts/venv", "dev", PYTHON="/bin/false")
    assert "installing dkronpy into .venv" in again.stderr


def test_a_changed_shim_is_compiled_again(checkout: Path) -> None:
    pretend_installed(checkout, path=checkout.resolve())
    python = checkout / ".venv/bin/python"
    python.unlink()
    python.write_text("#!/bin/sh\necho $* >&2\n")
    python.chmod(0o755)
    agent = checkout / "dkronpy" / "agent"
    agent.mkdir(parents=True)
    for name, changed in (("dkronpy-shim", 1000), ("shim.c", 2000)):
        (agent / name).touch()
        os.utime(agent / name, (changed, changed))
    assert "pip install" in run(checkout / "scripts/venv", "dev").stderr
    (agent / "dkronpy-shim").touch()
    assert run(checkout / "scripts/venv", "dev").stderr == ""


def test_an_environment_of_another_folder_is_made_anew(checkout: Path) -> None:
    pretend_installed(checkout, path=Path("/elsewhere"))
    again = run(checkout / "scripts/venv", "dev", PYTHON="/bin/false")
    assert "making .venv anew" in again.stderr
    assert not (checkout / ".venv").exists()


def test_a_machine_without_a_fitting_python_is_told_which_one_fits(checkout: Path) -> None:
    refused = run(checkout / "scripts/run", PYTHON="/bin/false")
    assert refused.returncode == 1
    assert "needs Python 3.10 to 3.13" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_missing_debian_packages_are_named_where_they_cannot_be_installed(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("dirname", "ls", "sh"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "id").chmod(0o755)
    told = run(checkout / "scripts/packages", PATH=str(tools))
    assert told.returncode == 0
    assert "sudo apt-get install" in told.stderr
    assert " git redis-server " in told.stderr


def test_bench_lists_its_benchmarks(checkout: Path) -> None:
    (checkout / "scripts" / "bench_example.py").touch()
    told = run(checkout / "scripts/bench", "nonsense")
    assert told.returncode == 2
    assert "\n  example\n" in told.stderr


def test_each_benchmark_finds_what_it_measures() -> None:
    """They run seldom, and the code that they import moves on."""
    names = sorted(path.stem for path in (ROOT / "scripts").glob("bench_*.py"))
    program = "; ".join(f"import scripts.{name}" for name in names)
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert len(names) > 5
    assert told.returncode == 0, told.stderr
