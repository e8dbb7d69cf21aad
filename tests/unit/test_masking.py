"""Secrets are found in output in every disguise that programs give them, in whatever pieces it comes."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.masking import Masker

SECRET = "p@ss w/rd?ü+longer"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote_plus(SECRET).lower(),
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_every_disguise_is_masked(text: str) -> None:
    masked = Masker([SECRET]).text(f"before {text} after")
    assert "***" in masked
    assert "longer" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@given(st.text(st.characters(codec="ascii"), max_size=9), st.text(st.characters(codec="ascii"), max_size=9))
def test_it_is_masked_inside_what_is_encoded_with_more(before: str, after: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        header = encode(f"{before}{SECRET}{after}".encode()).decode()
        masked = Masker([SECRET]).text(f"Authorization: Basic {header}")
        assert "***" in masked
        rest = masked.removeprefix("Authorization: Basic ").replace("***", "")
        assert len(rest) <= len(header) - 4 * (len(SECRET.encode()) // 3) + 4


@given(st.lists(st.integers(1, 7), min_size=1, max_size=20))
def test_it_is_masked_however_it_is_cut(sizes: list[int]) -> None:
    data = f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()} and {SECRET}.".encode()
    masker = Masker([SECRET])
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    out = b"".join(map(masker.feed, pieces)) + masker.end()
    assert out == Masker([SECRET]).text(data.decode()).encode()
    assert out.count(b"***") == 2


def test_ordinary_text_stays_as_it_is() -> None:
    assert Masker(["abc"]).text("abc") == "abc", "too short to be one"
    assert Masker(["password1"]).text("cGFz and password") == "cGFz and password"


def test_a_message_that_is_no_utf8_is_masked_as_any_other() -> None:
    assert Masker(["s3cr3t"]).text("a\udc80 s3cr3t") == "a? ***"
