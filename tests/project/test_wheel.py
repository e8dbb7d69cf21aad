"""What is installed is what the checkout holds: no module is forgotten, and it works away from the checkout."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.project.tree import PACKAGES, tracked, tracked_modes
from tests.support import ROOT

MAPPED = {"executors": "dkronpy/executors", "tasks": "dkronpy/tasks"}
"""Folders at the top that install inside the namespace."""
PROGRAM = "dkronpy/agent/dkronpy-shim"
"""What is compiled when the wheel is built."""


def installed_path(path: Path) -> str:
    """Where a tracked file of a package lies in the wheel."""
    top, *rest = path.parts
    return "/".join([MAPPED.get(top, top), *rest])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files alone, as a clone has them."""
    folder = tmp_path_factory.mktemp("source")
    for path in tracked_modes():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target, follow_symlinks=False)
    return folder


def build(source: Path, folder: Path, **environment: str) -> Path:
    """The wheel that is built from *source* into *folder*."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is built from them."""
    return build(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh virtual environment that holds the wheel and borrows its dependencies from this one."""
    venv = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    subprocess.run([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (site_packages,) = venv.glob("lib/python*/site-packages")
    # A path in a .pth file is searched after this folder, and its own .pth files (our editable install) are not read.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


def test_the_wheel_holds_every_tracked_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {installed_path(path) for path in tracked(under=PACKAGES)}
    assert sorted(expected - packed) == []
    assert sorted(packed - expected) == [PROGRAM]
    assert "dkronpy/py.typed" in packed
    assert "dkronpy/store/lua/claim.lua" in packed


def test_a_wheel_is_for_its_platform_with_the_shim_and_for_all_without(source: Path, wheel: Path) -> None:
    assert wheel.name.split("-")[2:4] == ["py3", "none"]
    assert wheel.stem.split("-")[-1] == sysconfig.get_platform().replace("-", "_").replace(".", "_")
    without = build(source, wheel.parent / "without", CC="/no/such/compiler")
    assert without.stem.endswith("-py3-none-any")
    with zipfile.ZipFile(without) as archive:
        assert PROGRAM not in archive.namelist()


def test_every_package_is_named_in_setup_cfg() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    named = set(setup["options"]["packages"].split())
    folders = {installed_path(path.parent / "x").rpartition("/")[0] for path in tracked(".py", under=PACKAGES)}
    assert {folder.replace("/", ".") for folder in folders} == named


def test_the_symlinks_of_the_checkout_are_committed_as_symlinks() -> None:
    for top, path in MAPPED.items():
        assert tracked_modes()[path] == "120000"
        assert (ROOT / path).resolve() == ROOT / top


def test_the_metadata_carry_licence_and_readme(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata_name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(metadata_name).decode()
        assert any(name.endswith("/LICENSE") for name in archive.namelist())
    assert "License-Expression: Apache-2.0" in metadata
    assert "# dkronpy" in metadata


def test_the_installed_command_works_away_from_the_checkout(elsewhere: Path, tmp_path: Path) -> None:
    program = (
        "import dkronpy.executors.shell as shell, dkronpy.tasks as tasks; "
        "from importlib.metadata import entry_points; "
        "[point.load() for point in entry_points(group='dkronpy.executors')]; "
        "print(shell.__file__, tasks.__file__, sep='\\n')"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    imported = subprocess.run(
        [elsewhere / "python", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert imported.returncode == 0, imported.stderr
    for file in imported.stdout.splitlines():
        assert Path(file).is_relative_to(elsewhere.parent), f"imported from {file}"
    shim = "from dkronpy.agent.shim_program import open_program; print(open_program() is not None)"
    tried = subprocess.run([elsewhere / "python", "-c", shim], cwd=tmp_path, capture_output=True, text=True)
    assert tried.stdout == "True\n", tried.stderr
    for command in ([elsewhere / "dkronpy", "--help"], [elsewhere / "python", "-m", "dkronpy", "--help"]):
        shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        assert "Usage: " in shown.stdout
