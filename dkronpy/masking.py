"""Takes the values of secrets out of output before it leaves the node, in whatever pieces it comes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST, SHORTEST_INSIDE = 4, 8
"""Shorter values, and shorter pieces of base64, are not masked: they would blot out ordinary text."""


def disguises(value: str) -> set[bytes]:
    """A secret as it may appear in output: plain, URL-encoded, in JSON, in base64, or in that of more than itself."""
    plain = value.encode()
    forms = {plain, json.dumps(value)[1:-1].encode(), json.dumps(value, ensure_ascii=False)[1:-1].encode()}
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        forms |= {text.encode(), re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text).encode()}
    for encoded in (base64.b64encode(plain), base64.urlsafe_b64encode(plain)):
        forms |= {encoded, encoded.rstrip(b"=")}
    return {form for form in forms if len(form) >= SHORTEST} | _inside_base64(plain)


def _inside_base64(plain: bytes) -> set[bytes]:
    """What of *plain* shows in the base64 of something longer, such as ``user:password``, wherever it stands in that.

    The characters at its ends depend on what stands beside it, and stay: they hold less than a byte each.
    """
    found = set()
    for before in range(3):
        skipped = -(-before * 8 // 6)  # characters that what stands before has a part in
        whole = (before + len(plain)) * 8 // 6  # characters that nothing behind has a part in
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(before) + plain)[skipped:whole])
    return {form for form in found if len(form) >= SHORTEST_INSIDE}


class Masker:
    """Masks a stream: a secret that is cut in two by the pieces it comes in is found as well."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = sorted({form for value in values for form in disguises(value)}, key=len, reverse=True)
        self._kept = b""

    def another(self) -> Masker:
        """One for another stream with the same secrets."""
        other = Masker(())
        other._forms = self._forms
        return other

    def feed(self, data: bytes) -> bytes:
        """What can be passed on of all that came so far; the possible beginning of a secret is held back."""
        if not self._forms:
            return data
        text = self._masked(self._kept + data)
        keep = self._possible_beginning(text)
        self._kept = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        """What was held back."""
        kept, self._kept = self._kept, b""
        return kept

    def text(self, text: str) -> str:
        """A message with the secrets taken out."""
        return self._masked(text.encode("utf-8", "replace")).decode("utf-8", "replace") if self._forms else text

    def value(self, value: Any) -> Any:
        """A JSON value with the secrets taken out of its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def _masked(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, MASK)
        return data

    def _possible_beginning(self, text: bytes) -> int:
        longest = min(len(text), len(self._forms[0]) - 1)
        for size in range(longest, 0, -1):
            if any(form.startswith(text[-size:]) for form in self._forms):
                return size
        return 0
