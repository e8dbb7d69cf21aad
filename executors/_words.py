"""Splits a command line into words as Dkron does when it runs one without a shell."""

from __future__ import annotations

from dkronpy.plugins.values import Rejected, shown

_SHELL_ONLY = frozenset(";&|<>()`")


def split_words(line: str) -> tuple[str, ...]:
    """The words of *line*: blanks part them, quotes and backslashes keep blanks, nothing is expanded.

    Raises Rejected for a quote that is not closed, and for an unquoted ``; & | < > ( )`` or backtick.
    Only a shell understands those; Dkron drops what follows them without a word.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(line)
    for character in characters:
        if character == "\\" and quote != "'":
            word = (word or "") + next(characters, "\\")
        elif quote:
            quote, word = ("", word) if character == quote else (quote, (word or "") + character)
        elif character in "'\"":
            quote, word = character, word or ""
        elif character.isspace():
            if word is not None:
                words.append(word)
            word = None
        elif character in _SHELL_ONLY:
            raise Rejected(
                f"{shown(line)} has {character!r} outside quotes, which only a shell understands",
                'set "shell": "true" to run it by /bin/sh, or quote it',
            )
        else:
            word = (word or "") + character
    if quote:
        raise Rejected(f"invalid command line string: {shown(line)} has a {quote} that is not closed")
    return (*words, word) if word is not None else tuple(words)
