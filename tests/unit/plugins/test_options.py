"""Options: typed values in Python, strings from Dkron, and every mistake named at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import InvalidError
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.options import Options, describe, doc, resolve_secrets
from dkronpy.plugins.values import Duration, Size, Text, as_timedelta
from dkronpy.secret import Secret, secret


class Courier(Options, frozen=True):
    """Options of every type there is."""

    plugin: ClassVar[str] = "courier"

    parcel: Annotated[str, doc("what is brought")]
    address: Annotated[Text, doc("to whom", dkron="sendTo")] = ""
    fragile: Annotated[bool, doc("handle with care", dkron="isFragile")] = False
    floors: int = 0
    weight: float = 0.0
    patience: Annotated[Duration, doc("how long it waits")] = timedelta(seconds=30)
    hold: Size | None = None
    seal: bytes = b""
    speed: Literal["slow", "fast"] = "slow"
    stops: tuple[str, ...] = ()
    labels: dict[str, Text] = {}  # noqa: RUF012 - msgspec copies it for each
    auth: Bearer | Basic | None = None
    note: Any = None


TEXT = st.text(max_size=20)
SECRETS = st.builds(Secret, st.text("abc/", min_size=1, max_size=5))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | SECRETS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
COURIERS = st.builds(
    Courier,
    parcel=st.text(min_size=1),
    address=TEXT | SECRETS,
    fragile=st.booleans(),
    floors=st.integers(),
    weight=st.floats(allow_nan=False, allow_infinity=False),
    patience=st.timedeltas(min_value=timedelta(0)) | st.integers(0, 10**6) | st.just("1h30m"),
    hold=st.none() | st.integers(1, 10**15) | st.just("1.5GB"),
    seal=st.binary(),
    speed=st.sampled_from(["slow", "fast"]),
    stops=st.lists(TEXT).map(tuple),
    labels=st.dictionaries(TEXT, TEXT | SECRETS),
    auth=st.none() | st.builds(Bearer, TEXT | SECRETS) | st.builds(Basic, TEXT, TEXT | SECRETS),
    note=JSON,
)


@given(COURIERS)
def test_what_is_written_as_config_reads_back_the_same(options: Courier) -> None:
    assert Courier.from_config(options.to_config()) == options
    assert options.problems() == []


def test_python_values_are_read_when_the_options_are_built() -> None:
    options = Courier("lamp", patience="1h30m", hold="2 MB", stops=("a", "b"))
    assert options.patience == timedelta(hours=1, minutes=30)
    assert options.hold == 2 * 1024 * 1024
    assert options.problems() == []


def test_strings_from_dkron_mean_the_same_as_typed_values() -> None:
    dkron = {
        "parcel": "lamp",
        "sendTo": "me",
        "isFragile": "T",
        "floors": "3",
        "weight": "1.5",
        "patience": "10s",
        "hold": "1.5gb",
        "seal": "aGk=",
        "stops": "a, b",
        "labels": '{"x": "1", "k": {"secret": "crm/token"}}',
        "auth": '{"type": "bearer", "token": "t"}',
    }
    typed = Courier(
        "lamp",
        address="me",
        fragile=True,
        floors=3,
        weight=1.5,
        patience=timedelta(seconds=10),
        hold=3 * 1024**3 // 2,
        seal=b"hi",
        stops=("a", "b"),
        labels={"x": "1", "k": secret("crm/token")},
        auth=Bearer("t"),
    )
    assert Courier.from_config(dkron) == typed


def test_empty_and_null_mean_not_given() -> None:
    assert Courier.from_config({"parcel": "x", "floors": "", "patience": None}) == Courier("x")


def test_every_problem_is_named_with_key_value_and_what_is_accepted() -> None:
    config = {
        "isFragile": "maybe",
        "floors": "many",
        "patience": "30x",
        "hold": "5PB",
        "seal": "%%",
        "speed": "fsat",
        "lables": "{}",
        "auth": {"type": "bearer"},
    }
    with pytest.raises(InvalidError) as caught:
        Courier.from_config(config, job="post")
    found = {problem.field: problem for problem in caught.value.problems}
    assert set(found) == {f"executor_config.{key}" for key in [*config, "parcel"]}
    assert found["executor_config.isFragile"].message == (
        '"maybe" is not a truth value; accepted: true or false (also t, f, 1, 0)'
    )
    assert found["executor_config.isFragile"].value == "maybe"
    assert "1h30m" in found["executor_config.patience"].message
    assert found["executor_config.hold"].message == "unsupported memory unit: PB (supported: B, KB, MB, GB, TB)"
    assert found["executor_config.speed"].hint == "did you mean 'fast'?"
    assert found["executor_config.lables"].hint == "did you mean 'labels'?"
    assert found["executor_config.parcel"].message == "parcel is missing"
    assert "token" in found["executor_config.auth"].message
    assert str(caught.value).startswith("post: executor_config.isFragile: ")
    assert len(str(caught.value).splitlines()) == len(config) + 1


def test_a_key_and_its_dkron_name_are_not_given_together() -> None:
    with pytest.raises(InvalidError, match="sendTo and address are the same option"):
        Courier.from_config({"parcel": "x", "address": "a", "sendTo": "b"})


def test_building_never_raises_and_problems_names_what_is_wrong() -> None:
    options = Courier("x", patience="soon", hold=-1, labels={"a": 1})  # type: ignore[dict-item]
    assert [problem.field for problem in options.problems()] == [
        "executor_config.patience",
        "executor_config.hold",
        "executor_config.labels",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "memory limit must be greater than 0"),
        ("-5", "memory limit must be greater than 0"),
        ("512 Q", "unsupported memory unit: Q (supported: B, KB, MB, GB, TB)"),
        ("lots", "invalid memory limit format: lots"),
        ("1.5", "invalid memory limit format: 1.5"),
    ],
)
def test_sizes_are_refused_in_dkrons_words(text: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Courier.from_config({"parcel": "x", "hold": text})
    assert caught.value.problems[0].message == message


def test_secrets_are_resolved_everywhere_and_handed_over_for_masking() -> None:
    options = Courier(
        "x",
        address=secret("a"),
        labels={"k": secret("b")},
        auth=Basic("u", secret("c")),
        note={"deep": [1, {"er": secret("d")}], "empty": secret("nothing")},
    )
    values = {"a": "10s", "b": "B\nB", "c": "C", "d": '{"secret": "e"}', "nothing": ""}
    resolved, masked = resolve_secrets(options, lambda reference: values[reference.secret])
    assert (resolved.address, resolved.labels, resolved.auth) == ("10s", {"k": "B\nB"}, Basic("u", "C"))
    assert resolved.note == {"deep": [1, {"er": '{"secret": "e"}'}], "empty": ""}
    assert masked == {"10s", "B\nB", "C", '{"secret": "e"}'}
    assert options.address == Secret("a"), "the options that are stored keep the reference"


def test_a_secret_is_refused_where_its_value_would_show() -> None:
    problems = Courier("x", stops=(secret("s"),)).problems()  # type: ignore[arg-type]
    assert [problem.field for problem in problems] == ["executor_config.stops"]


def test_describe_lists_names_types_defaults_and_docs() -> None:
    fields = {entry.name: entry for entry in describe(Courier)}
    assert list(fields)[:2] == ["parcel", "address"]
    assert (fields["parcel"].required, fields["parcel"].description) == (True, "what is brought")
    assert (fields["address"].dkron, fields["address"].kind) == ("sendTo", "text or secret")
    assert (fields["patience"].kind, fields["patience"].default) == ("duration", "30s")
    assert (fields["hold"].kind, fields["seal"].kind) == ("size", "base64")
    assert (fields["speed"].kind, fields["stops"].kind) == ("slow, fast", "list of text")


def test_zero_means_no_limit() -> None:
    assert as_timedelta(0) is None
    assert as_timedelta(None) is None
    assert as_timedelta("2s") == timedelta(seconds=2)


def test_but_gives_a_copy_with_changes() -> None:
    options = Courier("x", floors=1)
    assert options.but(floors=2, patience="1s") == Courier("x", floors=2, patience=1)
    assert options.floors == 1


def test_lone_surrogates_are_not_text() -> None:
    with pytest.raises(InvalidError, match="lone surrogate"):
        Courier.from_config({"parcel": "\ud800"})
