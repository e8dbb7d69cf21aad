"""`dkronpy completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click

from dkronpy.cli.output import write
from dkronpy.cli.session import command


@command(
    name="completion",
    short_help="Print the completion script of a shell.",
    example="""
    eval "$(dkronpy completion bash)"
    dkronpy completion zsh > ~/.zfunc/_dkronpy
    dkronpy completion fish > ~/.config/fish/completions/dkronpy.fish
    """,
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script of a shell, to be read by its start-up file."""
    from click.shell_completion import ShellComplete, get_completion_class

    from dkronpy.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    # not kind.source(): for bash that starts a shell to look at its version
    write(ShellComplete.source(kind(cli, {}, "dkronpy", "_DKRONPY_COMPLETE")) + "\n")
