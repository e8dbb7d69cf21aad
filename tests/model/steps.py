"""The ledger's Lua as the model runs it: the real files, the clock replaced by a key, and for a mutant a guard less."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from dkronpy.store.connection import SHARED, Scripts, Store
from dkronpy.store.keys import Keys

CLOCK = "model:clock"
"""The key that holds the model's time in milliseconds; the steps read it instead of ``TIME``."""

_REAL_CLOCK = """\
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
"""
_MODEL_CLOCK = f"""\
  return tonumber(redis.call('GET', '{CLOCK}'))
"""


@dataclass(frozen=True)
class Edit:
    """One replacement in one Lua file; ``old`` has to stand there exactly once."""

    file: str
    old: str
    new: str


def sources(*edits: Edit) -> dict[str, str]:
    """The text of every Lua file by its name without suffix, on the model's clock, with the edits made."""
    folder = files("dkronpy.store.lua")
    texts = {path.name[:-4]: path.read_text() for path in folder.iterdir() if path.name.endswith(".lua")}
    for edit in (Edit("record", _REAL_CLOCK, _MODEL_CLOCK), *edits):
        text = texts[edit.file]
        assert text.count(edit.old) == 1, (
            f"{edit.file}.lua holds this {text.count(edit.old)} times, not once: {edit.old}"
        )
        texts[edit.file] = text.replace(edit.old, edit.new)
    assert not any("'TIME'" in text for text in texts.values()), "a step reads the server's clock besides now_ms()"
    return texts


class ModelScripts(Scripts):
    """The steps out of given texts, called as the production class calls them."""

    def __init__(self, client: Any, keys: Keys, texts: dict[str, str]) -> None:
        self._prefixes = (keys.prefix, keys.redbeat)
        self._scripts = {
            name: client.register_script("".join(texts[one] for one in SHARED) + text)
            for name, text in texts.items()
            if name not in SHARED
        }


class ModelStore(Store):
    """A store whose time is what the model says."""

    def __init__(self, url: str, texts: dict[str, str]) -> None:
        super().__init__(url)
        self.scripts = ModelScripts(self.client, self.keys, texts)

    def now_ms(self) -> int:
        return int(self.client.get(CLOCK))

    def set_clock(self, ms: int) -> None:
        """Make it *ms*."""
        self.client.set(CLOCK, ms)
