"""What a user sees who mistypes results_url, or lacks the extra it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dkronpy.errors import ConfigError
from dkronpy.results.opening import open_results
from dkronpy.results.url import mask
from tests.support import ROOT


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no results backend has this scheme"),
        ("localhost:6379", "no results backend has this scheme"),
        ("mysql://root:s3cret@db/history", "no results backend has this scheme"),
        ("postgresql+asyncpg://u:s3cret@db/history", "no results backend has this scheme"),
        ("redis://:s3cret@localhost:port/0", "'port' is not a port"),
        ("redis://localhost/results", "the database 'results' is not a number"),
        ("redis://localhost?db=one", "Invalid value"),
        ("redis://localhost?colour=red", "colour"),
        ("unix://?db=1", "it names no socket"),
        ("sqlite://", "it names no file"),
        ("sqlite:///:memory:", "it names no file"),
        ("sqlite://history.db", "it names no file"),
        ("sqlite:////no/such/folder/history.db", "there is no folder '/no/such/folder'"),
        ("sqlite:////tmp", "'/tmp' is a folder, not a file"),
        ("postgresql://u:s3cret@db:port/history", "invalid literal for int"),
        ("postgresql+psycopg://u:s3cret@", "it names no database"),
    ],
)
def test_a_url_that_cannot_be_used_is_named_with_what_is_accepted(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_results(url)
    message = str(caught.value)
    assert message.startswith(f"results_url: {mask(url)!r}: ")
    assert why in message
    assert (
        "accepted are redis://, rediss://, sentinel://, cluster://, unix:///path/to/socket, sqlite:///path/to/file"
        in message
    )
    assert "s3cret" not in message
    assert "\n" not in message


def test_a_scheme_that_is_nearly_right_gets_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        open_results("postgres+psycopg://db/history")
    assert caught.value.hint == "did you mean postgresql+psycopg://?"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@localhost/0", "redis://:***@localhost/0"),
        ("rediss://app:p@ss/w:rd@localhost/0", "rediss://app:***@localhost/0"),
        ("unix://:pw@/run/valkey.sock?db=1", "unix://:***@/run/valkey.sock?db=1"),
        ("redis://localhost?password=pw&db=2", "redis://localhost?password=***&db=2"),
        ("rediss://localhost?ssl_password=pw", "rediss://localhost?ssl_password=***"),
        ("postgresql://u@db/history", "postgresql://u@db/history"),
        ("u:pw@db", "u:***@db"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert mask(url) == shown


@pytest.mark.parametrize("missing", ["sqlalchemy", "psycopg"])
def test_without_the_extra_one_line_says_what_to_install(missing: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if missing == "sqlalchemy" else "postgresql://u:s3cret@db/history"
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from dkronpy.errors import PluginError\n"
        "from dkronpy.results.opening import open_results\n"
        "try:\n"
        "    open_results(sys.argv[1])\n"
        "except PluginError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("results_url: keeping results in ")
    assert done.stdout.endswith('run  pip install "dkronpy[sql]"\n')
    assert done.stdout.count("\n") == 1


def test_the_interface_alone_loads_no_driver() -> None:
    program = (
        "import sys, dkronpy.results.backend as b\n"
        "print([name for name in ('redis', 'sqlalchemy', 'psycopg', 'celery') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
