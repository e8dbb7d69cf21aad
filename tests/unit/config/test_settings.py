"""Settings: flag over environment over file over default, every mistake at once, and where each value
came from.
"""

from __future__ import annotations

import ast
import itertools
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from dkronpy.errors import ConfigError, InvalidError
from dkronpy.settings import Settings, env_name, load_settings, setting_names
from dkronpy.settings import notify as settings_notify
from dkronpy.settings import settings as settings_module
from dkronpy.settings import vault as settings_vault


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.py"
    file.write_text(text, "utf-8")
    return file


def test_nothing_given_means_the_defaults_and_a_store_of_its_own(tmp_path: Path) -> None:
    settings, sources = load_settings(tmp_path, {})
    assert settings == Settings()
    assert settings.embedded
    assert settings.lease == timedelta(seconds=60)
    assert {source.kind for source in sources.values()} == {"default"}
    assert tuple(sources) == setting_names()


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(tmp_path: Path) -> None:
    file = write(tmp_path, "capacity = 2\nbatch = 20\ntick = '500ms'\n")
    environ = {"DKRONPY_CAPACITY": "3", "DKRONPY_BATCH": "30", "HOME": "/root"}
    settings, sources = load_settings(tmp_path, environ, {"capacity": 4, "batch": None})
    assert (settings.capacity, settings.batch, settings.tick) == (4, 30, timedelta(milliseconds=500))
    told = {name: str(sources[name]) for name in ("capacity", "batch", "tick", "lease")}
    assert told == {"capacity": "--capacity", "batch": "DKRONPY_BATCH", "tick": str(file), "lease": "default"}


def test_the_file_is_plain_python_and_may_be_written_in_capitals(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "import os\nfrom datetime import timedelta\n_host = 'db1'\n\ndef helper(): return 1\n"
        "BROKER_URL = f'redis://{_host}/0'\nnode_tags = {'role': 'web'}\nretention = timedelta(days=7)\n",
    )
    settings, _ = load_settings(file, {})
    assert settings.broker_url == settings.effective_store_url == settings.effective_results_url == "redis://db1/0"
    assert settings.node_tags == {"role": "web"}
    assert settings.retention == timedelta(days=7)
    assert not settings.embedded


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("allow_volatile", "yes", True),
        ("allow_root", "0", False),
        ("node_tags", "role=web, dc=fra", {"role": "web", "dc": "fra"}),
        ("batch", "1_000", 1_000),
        ("lease", "90", timedelta(seconds=90)),
        ("kill_grace", "0", timedelta()),
        ("log_level", "DEBUG", "debug"),
        ("data_dir", "/srv/x", "/srv/x"),
    ],
)
def test_the_environment_is_text(name: str, text: str, value: object) -> None:
    settings, sources = load_settings(None, {env_name(name): text})
    assert getattr(settings, name) == value
    assert sources[name].kind == "env"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings(None, {"DKRONPY_CAPACITY": ""})[1]["capacity"].kind == "default"


def test_every_mistake_is_named_at_once_with_its_source(tmp_path: Path) -> None:
    file = write(tmp_path, "capacty = 4\nlease = 'a minute'\nlog_format = 'jsn'\n")
    with pytest.raises(InvalidError) as raised:
        load_settings(file, {"DKRONPY_BATCH": "many", "DKRONPY_ALLOW_ROOT": "maybe", "DKRONPY_NODE_TAGS": "web"})
    told = str(raised.value).splitlines()
    assert told[0] == f"settings: capacty: there is no such setting ({file}) (did you mean 'capacity'?)"
    assert told[1].startswith("settings: lease: 'a minute' is not a duration")
    assert f"(from {file})" in told[1]
    assert told[2] == f"settings: log_format: 'jsn' is not one of text, json (from {file}) (did you mean 'json'?)"
    assert "(from DKRONPY_BATCH)" in told[-1] or "DKRONPY_NODE_TAGS" in told[-1]
    assert len(told) == 6


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DKRONPY_LEASE": "30s", "DKRONPY_LEASE_RENEW": "15s"}, "lease_renew: 15 s is more than lease / 3 (10 s)"),
        ({"DKRONPY_BROKER_URL": "amqp://mq"}, "set DKRONPY_STORE_URL=redis://"),
        ({"DKRONPY_STORE_URL": "postgresql://db"}, "the store has to be Redis or Valkey"),
        ({"DKRONPY_CAPACITY": "0"}, "'0' is not a whole number from 1 up"),
        ({"DKRONPY_TICK": "0s"}, "a duration above zero is needed"),
    ],
)
def test_values_that_cannot_work_are_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        load_settings(None, environ)
    assert said in str(raised.value)


def test_a_broker_that_is_not_redis_goes_with_a_store_that_is() -> None:
    environ = {"DKRONPY_BROKER_URL": "amqp://mq", "DKRONPY_STORE_URL": "rediss://db"}
    assert load_settings(None, environ)[0].effective_results_url == "rediss://db"


def test_a_file_that_raises_is_told_by_its_own_line(tmp_path: Path) -> None:
    file = write(tmp_path, "import os\ncapacity = int('x')\n")
    with pytest.raises(ConfigError) as raised:
        load_settings(file, {})
    assert str(raised.value).startswith(f"{file}:2: capacity = int('x'): ValueError: invalid literal")
    file.write_text("capacity = (\n", "utf-8")
    with pytest.raises(ConfigError, match=r"settings\.py:1: '\(' was never closed"):
        load_settings(file, {})


def test_a_file_that_is_not_there_is_an_error_and_a_folder_without_one_is_not(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {})[0] == Settings()
    with pytest.raises(ConfigError, match="there is no settings file"):
        load_settings(tmp_path / "settings.py", {})


def test_the_node_is_named_after_its_host() -> None:
    assert Settings(node_name="web1").node == "web1"
    assert Settings().node
    assert "." not in Settings().node


def explained(module: ModuleType, name: str) -> list[str]:
    """The fields of a class that have a sentence below them."""
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name).body
    return [
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    ]  # fmt: skip


def test_every_setting_is_explained_in_the_code_and_in_the_manual() -> None:
    found = [
        *explained(settings_module, "Settings"),
        *explained(settings_notify, "NotifySettings"),
        *explained(settings_vault, "VaultSettings"),
    ]
    assert found == list(setting_names())
    manual = (Path(settings_module.__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    assert [name for name in setting_names() if f"`{name}`" not in manual or f"`{env_name(name)}`" not in manual] == []
