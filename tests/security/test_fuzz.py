"""Every parser of what comes from outside: any input is understood, or refused in one of our own errors."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import click
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from dkronpy.cli.times import read_moment
from dkronpy.errors import DkronpyError
from dkronpy.job import Job, Run
from dkronpy.job.json import decode_definition, decode_job, encode_definition
from dkronpy.masking import Masker, disguises
from dkronpy.node import Node
from dkronpy.node_expression import satisfies
from dkronpy.plugins.codes import read_code_ranges
from dkronpy.plugins.reach import Reach, UnreachableError
from dkronpy.plugins.registry import names, options_type
from dkronpy.plugins.values import Rejected
from dkronpy.schedule import parse, parse_duration
from dkronpy.settings import env_name, load_settings, setting_names
from dkronpy.signing import SignatureError, Signer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
LIKE_A_SCHEDULE = st.text("0123456789*/-,?#LW~@ MONJANevrydailtTZ=:.+;FREQRUL", max_size=40)
SIGNER = Signer(Ed25519PrivateKey.generate())


@given(LIKE_A_SCHEDULE | st.text(max_size=60))
def test_schedules(text: str) -> None:
    with suppress(DkronpyError):
        parse(text)


@given(st.text("0123456789.hmsdwunµ+-eE ", max_size=20) | st.text(max_size=20))
def test_durations(text: str) -> None:
    with suppress(DkronpyError):
        parse_duration(text)


@given(st.text("0123456789-:+TZ.hmsd /", max_size=30) | st.text(max_size=20))
def test_moments_of_the_command_line(text: str) -> None:
    with suppress(click.UsageError, DkronpyError):
        read_moment(text, None, option="--at")


@given(st.binary(max_size=200) | st.text(max_size=200) | st.dictionaries(st.sampled_from(Job.__struct_fields__), JSON))
def test_jobs_in_json(data: Any) -> None:
    with suppress(DkronpyError):
        decode_job(json.dumps(data) if isinstance(data, dict) else data)


@given(st.binary(max_size=200))
def test_stored_definitions(data: bytes) -> None:
    with suppress(DkronpyError):
        decode_definition(data)


@given(st.binary(max_size=300), st.text(max_size=20), st.integers())
def test_signatures_of_anything(data: bytes, job: str, revision: int) -> None:
    verifier = SIGNER.verifier()
    for stored in (data, data + b"\ned25519 " + data, data + b"\ned25519 " + SIGNER.id.encode() + b" " + data):
        with pytest.raises(SignatureError):
            verifier.check(stored, job, revision)


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(0, 2**53))
def test_what_is_signed_is_accepted_and_read_back(command: str, revision: int) -> None:
    job = Job(name="fuzz", schedule="@manually", run=Run("shell", {"command": command}))
    sealed = SIGNER.seal(encode_definition(job), job.name, revision)
    SIGNER.verifier().check(sealed, job.name, revision)
    assert decode_definition(sealed) == decode_definition(encode_definition(job))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("executor", "processor") for name in names(kind)])
@settings(max_examples=20)
@given(data=st.data())
def test_options_of_every_plugin(kind: Any, name: str, data: st.DataObject) -> None:
    cls = options_type(name, kind)
    config = data.draw(st.dictionaries(st.sampled_from(cls.__struct_fields__) | st.text(max_size=5), JSON, max_size=5))
    with suppress(DkronpyError):
        cls.from_config(config)


WORDS = [
    "role", "load", "tags", ".a", "['x']", "==", "<", "in", "not", "and", "or", "(", ")", "'web'", "0.7", "-", ",", "[",
]  # fmt: skip
LIKE_AN_EXPRESSION = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@given(LIKE_AN_EXPRESSION | st.text(max_size=40) | st.sampled_from(["(" * 900, "-" * 999 + "1", "not " * 240 + "load"]))
def test_expressions_of_targets(text: str) -> None:
    """Whatever it says, it names a node or it is refused; it cannot reach anything else."""
    node = Node(name="n1", tags={"role": "web", "a": "1"})
    with suppress(DkronpyError):
        assert satisfies(node, text) in (True, False)


@given(JSON)
def test_codes(value: Any) -> None:
    with suppress(Rejected):
        read_code_ranges(value)


@given(
    st.dictionaries(
        st.sampled_from(setting_names()), st.text(st.characters(exclude_characters="\0"), max_size=20), max_size=4
    )
)
def test_settings_of_the_environment(given_: dict[str, str]) -> None:
    with suppress(DkronpyError):
        load_settings(None, {env_name(name): value for name, value in given_.items()})


@given(st.ip_addresses())
def test_any_address_is_judged(address: Any) -> None:
    guarded = address.is_loopback or address.is_link_local or address.is_unspecified
    try:
        Reach().check(str(address))
    except UnreachableError:
        return
    assert not guarded


@given(st.text(min_size=4, max_size=20), st.binary(max_size=50), st.binary(max_size=50), st.integers(1, 7))
def test_a_secret_is_masked_in_whatever_pieces_it_comes(value: str, before: bytes, after: bytes, size: int) -> None:
    with suppress(UnicodeEncodeError):
        for form in disguises(value):
            stream, masker = before + form + after, Masker([value])
            pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
            assert form not in b"".join(map(masker.feed, pieces)) + masker.end()
