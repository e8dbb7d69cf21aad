"""Whatever plugin has an encrypted connection: its options for that have the names that they have everywhere."""

from __future__ import annotations

import re

import pytest

from dkronpy.plugins.options import FieldDoc, describe
from dkronpy.plugins.registry import Kind, names, options_type

NAMES = ("tls_ca", "tls_cert", "tls_key", "tls_no_verify")
WITHOUT = {
    "executor": {"python", "shell"},
    "processor": {"files", "log"},
    "notifier": {"apprise"},  # Apprise has its settings in its URLs
}
MORE = {"tls", "tls_first"}
"""Whether there is to be TLS, where no URL says so."""
_OTHER_WORDS = re.compile(r"(^|_)(ssl|ca|cafile|cert|certificate|verify|insecure|trust)(_|$)")

KINDS: tuple[Kind, ...] = ("executor", "processor", "notifier")


def fields(kind: Kind, name: str) -> dict[str, FieldDoc]:
    """The options of a plugin."""
    return {entry.name: entry for entry in describe(options_type(name, kind))}


@pytest.mark.parametrize("kind", KINDS)
def test_every_connection_has_the_four_options(kind: Kind) -> None:
    for name in names(kind):
        found = fields(kind, name)
        wanted = () if name in WITHOUT[kind] else NAMES
        assert tuple(one for one in found if one in NAMES) == wanted, f"{kind} {name}"
        strange = {one for one in found if one not in NAMES and (_OTHER_WORDS.search(one) or one.startswith("tls"))}
        assert strange <= MORE, f"{kind} {name}"


def test_they_are_of_one_type_have_one_default_and_mean_the_same() -> None:
    kinds = [(kind, name) for kind in KINDS for name in names(kind) if name not in WITHOUT[kind]]
    for option in NAMES:
        alike = {(one.kind, one.default, one.description) for one in (fields(*pair)[option] for pair in kinds)}
        assert len(alike) == 1, option


def test_dkrons_names_for_them_are_dkrons() -> None:
    assert [fields("executor", "http")[option].dkron for option in NAMES] == [
        "tlsRootCAsFile", "tlsCertificateFile", "tlsCertificateKeyFile", "tlsNoVerifyPeer",
    ]  # fmt: skip
    assert fields("executor", "kafka")["tls_no_verify"].dkron == "tlsInsecureSkipVerify"
