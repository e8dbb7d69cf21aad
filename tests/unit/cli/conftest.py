"""The command line in this process, without a store, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dkronpy.cli.main import cli

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Calls `dkronpy` with these arguments, in an empty folder, with no settings but those in ``env``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    for name in list(os.environ):
        if name.startswith("DKRONPY_") or name == "NO_COLOR":
            monkeypatch.delenv(name)

    def call(*arguments: str, **env: str) -> Result:
        return CliRunner().invoke(cli, arguments, env=env)

    return call
