"""docs/cli.md has every command with an example, every option of each, and nothing that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from dkronpy import errors
from dkronpy.cli import failure, main
from dkronpy.cli.main import COMMANDS, cli
from tests.support import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text()
HEADING = re.compile(r"^### `dkronpy (.+)`$", re.MULTILINE)
# They are the same everywhere and stand at the top of the page, or of the services' part.
EVERYWHERE = {"--config", "--url", "--output", "--columns", "--time", "--log-format", "--log-level", "--debug"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its name as it is typed."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {verb}", found) for verb, found in command.commands.items())
        else:
            yield name, command


NAMED = dict(commands())
SECTIONS = dict(zip(HEADING.findall(PAGE), HEADING.split(PAGE)[2::2], strict=True))


def test_every_command_and_no_other_has_its_section() -> None:
    assert set(SECTIONS) == set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_section_has_an_example_and_every_option(name: str) -> None:
    text, examples = SECTIONS[name].split("```", 1)
    assert f"dkronpy {name}" in examples
    options = {
        option
        for parameter in NAMED[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    assert {option for option in options - EVERYWHERE if f"`{option}" not in text} == set()


@pytest.mark.parametrize("name", NAMED)
def test_a_section_names_no_option_that_does_not_exist(name: str) -> None:
    known = {option for parameter in NAMED[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= EVERYWHERE | {"-o"}
    assert set(re.findall(r"(?<=`)--?[a-z][a-z-]*", SECTIONS[name])) - known == set()


def test_options_that_are_the_same_everywhere_are_described_once() -> None:
    assert [option for option in EVERYWHERE if f"`{option}" not in PAGE] == []


def test_every_exit_status_is_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DkronpyError)]
    statuses = {kind.exit_code for kind in kinds} | {0, 2, failure.NOT_ALLOWED, main.INTERRUPTED}
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert rows == statuses
