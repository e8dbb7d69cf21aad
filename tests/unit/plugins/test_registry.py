"""Plugins are found through entry points, and a broken one hurts nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import dkronpy.plugins
from dkronpy.cli.executor import executor
from dkronpy.errors import PluginError
from dkronpy.plugins import registry
from dkronpy.plugins.options import describe

ROOT = Path(dkronpy.plugins.__file__).parents[2]

PLUGINS = {
    "postal.py": """
from dkronpy.plugins.executor import Executor, Outcome
from dkronpy.plugins.options import Options
class Postal(Options, frozen=True):
    plugin = "postal"
    to: str
class PostalExecutor(Executor[Postal]):
    options = Postal
    def execute(self, options, context):
        return Outcome(success=True)
not_a_class = 1
class NoExecutor: pass
""",
    "broken.py": "raise RuntimeError('out of stamps')",
    "needy.py": "import no_such_client_library.admin",
}
ENTRY_POINTS = """
[dkronpy.executors]
postal = postal:PostalExecutor
broken = broken:Broken
needy = needy:Needy [needy]
bare = needy:Needy
gone = no_such_module:X
number = postal:not_a_class
stranger = postal:NoExecutor
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution of plugins in it."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in PLUGINS.items():
        (folder / name).write_text(text)
    info = folder / "post_office-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: post-office\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def ask(site: Path, code: str) -> Any:
    """What *code*, run in an interpreter of its own that has the plugins installed, assigns to ``answer``."""
    program = f"""
import json, sys
from dkronpy.errors import PluginError
from dkronpy.plugins import registry
from dkronpy.plugins.options import describe
def refusal(call, *args):
    try:
        return repr(call(*args))
    except PluginError as error:
        return [str(error), error.hint]
{code}
print(json.dumps(answer))
"""
    env = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_strangers_plugin_is_found_and_none_is_imported_for_the_list(site: Path) -> None:
    names, imported = ask(site, "answer = [registry.executor_names(), 'postal' in sys.modules]")
    assert {"postal", "broken", "needy"} <= set(names)
    assert names == sorted(names)
    assert imported is False


def test_its_class_options_and_class_name(site: Path) -> None:
    assert ask(
        site,
        """answer = [registry.executor_class('postal').__name__, registry.options_type('postal').__name__,
                     registry.options_by_class_name('Postal')('me').to]""",
    ) == ["PostalExecutor", "Postal", "me"]


def test_a_plugin_that_raises_disables_only_itself(site: Path) -> None:
    code = """answer = [refusal(registry.executor_class, 'broken'), registry.failures(),
                        registry.executor_class('postal').__name__]"""
    (message, _hint), failures, other = ask(site, code)
    assert message == "executor 'broken' cannot be used: broken:Broken raised RuntimeError: out of stamps"
    assert failures == {"broken": message}
    assert other == "PostalExecutor"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("needy", 'pip install "post-office[needy]"'),
        ("bare", "pip install no_such_client_library"),
        ("gone", ""),
    ],
)
def test_a_missing_package_ends_in_the_line_to_type(site: Path, name: str, hint: str) -> None:
    message, seen = ask(site, f"answer = refusal(registry.options_type, {name!r})")
    assert seen == hint
    assert hint in message
    assert len(message.splitlines()) == 1


def test_an_unknown_name_gets_a_proposal(site: Path) -> None:
    message, hint = ask(site, "answer = refusal(registry.executor_class, 'postl')")
    assert message.startswith("there is no executor 'postl'; known: ")
    assert hint == "did you mean 'postal'?"


@pytest.mark.parametrize(("name", "what"), [("number", "is not a class"), ("stranger", "is not an Executor")])
def test_what_is_no_executor_is_refused(site: Path, name: str, what: str) -> None:
    assert what in ask(site, f"answer = refusal(registry.executor_class, {name!r})")[0]


def test_an_optional_package_that_is_missing_names_the_extra() -> None:
    with pytest.raises(PluginError, match=r'pip install "dkronpy\[kafka\]"') as caught:
        registry.import_extra("no_such_kafka.client", extra="kafka", plugin="kafka")
    assert len(str(caught.value).splitlines()) == 1
    assert registry.import_extra("json.decoder", extra="x", plugin="x").__name__ == "json.decoder"


def test_class_names_that_no_executor_has_are_refused() -> None:
    with pytest.raises(PluginError, match="no executor's options are called 'Pigeon'"):
        registry.options_by_class_name("Pigeon")


def test_our_own_executors_come_in_by_the_same_door() -> None:
    assert {"http", "python", "shell"} <= set(registry.executor_names())
    assert registry.options_by_class_name("Shell") is registry.options_type("shell")
    assert registry.options_by_class_name("Http") is registry.options_type("http")
    call = registry.options_by_class_name("Python")("tasks.cleanup:purge", 90)
    assert isinstance(call, registry.options_type("python"))
    assert [registry.options_type(name).plugin for name in ("http", "python", "shell")] == ["http", "python", "shell"]


def test_every_option_of_ours_is_documented() -> None:
    for name in ("http", "python", "shell"):
        bare = [entry.name for entry in describe(registry.options_type(name)) if not entry.description]
        assert bare == [], name


def test_what_an_extra_lacks_here_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_is_installed(package: str) -> Any:
        raise PackageNotFoundError(package)

    assert registry.missing_packages("executor", "rabbitmq") == "", "the tests have every extra"
    monkeypatch.setattr(registry, "distribution", nothing_is_installed)
    assert registry.missing_packages("executor", "rabbitmq") == 'it needs pika: pip install "dkronpy[rabbitmq]"'
    assert registry.missing_packages("executor", "shell") == "", "it has no extra"
    listed = CliRunner().invoke(executor, ["list", "-o", "json"])
    rows = {row["name"]: row for row in json.loads(listed.output)}
    assert (rows["shell"]["usable"], rows["rabbitmq"]["usable"]) == (True, False)
    shown = CliRunner().invoke(executor, ["show", "rabbitmq"])
    assert 'pip install "dkronpy[rabbitmq]"' in shown.output
    assert "message_base64" in shown.output, "the options can be read without the packages"
