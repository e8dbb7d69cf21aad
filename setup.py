"""Compiles the agent's shim where there is a C compiler; all else about the package stands in setup.cfg."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

FOLDER = Path("dkronpy", "agent")
SOURCE = FOLDER / "shim.c"
PROGRAM = "dkronpy-shim"
FLAGS = [
    "-std=gnu11", "-Os", "-s", "-Wall", "-Wextra",
    "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-Wl,-z,relro,-z,now",
]  # fmt: skip
# Linked with the C library, a shim holds two thirds of the memory, and runs whatever C library a node has.
LINKED = (["-static-pie"], [])


class BuildShim(Command):
    """Compile shim.c with $CC, $CFLAGS and $LDFLAGS; where that cannot be done, agents use the shim in Python."""

    description = "compile the agent's shim"
    user_options = []  # noqa: RUF012 - as setuptools has it
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_lib: str | None = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        target = self.program
        target.parent.mkdir(parents=True, exist_ok=True)
        said = "it is for Linux"
        for linked in LINKED if sys.platform == "linux" else ():
            if not (said := compile_shim(target, linked)):
                return
        target.unlink(missing_ok=True)
        self.warn(f"the shim was not compiled, and that in Python is used instead: {said}")

    @property
    def program(self) -> Path:
        """What is made; in the checkout, where that is what runs."""
        return (FOLDER if self.editable_mode else Path(self.build_lib or "", FOLDER)) / PROGRAM

    def get_source_files(self) -> list[str]:
        return [str(SOURCE)]

    def get_outputs(self) -> list[str]:
        return [str(self.program)] if self.program.exists() else []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


def compile_shim(target: Path, linked: list[str]) -> str:
    """Put the program at *target*; what went wrong, or nothing. One that runs there is replaced, not written to."""
    words = {name: shlex.split(os.environ.get(name, "")) for name in ("CC", "CFLAGS", "LDFLAGS")}
    made = target.with_name(f"{PROGRAM}.new")
    options = [*FLAGS, *words["CFLAGS"], *linked, *words["LDFLAGS"]]
    try:
        subprocess.run([*(words["CC"] or ["cc"]), *options, str(SOURCE), "-o", str(made)], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        return str(exc)
    made.replace(target)
    return ""


class Build(build):
    """As ever, and the shim."""

    sub_commands = [*build.sub_commands, ("build_shim", None)]  # noqa: RUF012 - as setuptools has it


class Wheel(bdist_wheel):
    """With the shim in it a wheel is for one platform, though for any Python; without, it is for all."""

    def get_tag(self) -> tuple[str, str, str]:
        python, abi, platform = super().get_tag()
        if self.get_finalized_command("build_shim").get_outputs():
            platform = self.plat_name.replace("-", "_").replace(".", "_")
        return python, abi, platform


setup(cmdclass={"build": Build, "build_shim": BuildShim, "bdist_wheel": Wheel})
