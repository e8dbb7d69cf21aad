"""The names that a configuration imports from ``dkronpy``: all there, found lazily, and at no cost until then."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dkronpy


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_imports_nothing_heavy_and_no_plugin() -> None:
    heavy = ("celery", "kombu", "redis", "redbeat", "requests", "msgspec", "dkronpy.executors", "importlib.metadata")
    assert run(f"import sys, dkronpy; print([name for name in {heavy!r} if name in sys.modules])") == "[]"


def test_every_public_name_can_be_imported_and_is_known_to_type_checkers() -> None:
    for name in dkronpy.__all__:
        assert getattr(dkronpy, name) is not None
    stub = ast.parse(Path(dkronpy.__file__).with_suffix(".pyi").read_text("utf-8"))
    typed = [alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    told = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(typed) == sorted(told) == sorted(dkronpy.__all__)
    assert set(dkronpy.__all__) <= set(dir(dkronpy))


def test_a_module_of_the_same_name_does_not_hide_a_word() -> None:
    code = "import dkronpy.job, dkronpy.secret; from dkronpy import job, secret; print(callable(job), secret('x'))"
    assert run(code) == "True secret('x')"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for name in ("Kafak", "nothing", "_private"):
        with pytest.raises(AttributeError, match=f"module 'dkronpy' has no attribute '{name}'"):
            getattr(dkronpy, name)
