"""The store that is refused, the store that is away, and what is said about it: one line, without the password."""

from __future__ import annotations

import pytest

from dkronpy.errors import ConfigError, DkronpyError, StoreRefusedError, StoreUnavailableError
from dkronpy.store.connection import Store, check_durability, mask_url
from tests.conftest import MakeStoreServer
from tests.integration.store.plans import Desk
from tests.support import StoreServer, free_port

KINDS = ("redis", "valkey")


def one_line(error: DkronpyError) -> str:
    """The text of an error, which has to be one line and hold no password."""
    text = str(error)
    assert "\n" not in text
    assert "s3cret" not in text + error.hint
    return text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fsync", "level"), [("everysec", "D1"), ("always", "D2")])
def test_an_append_only_store_is_durable(make_store_server: MakeStoreServer, kind: str, fsync: str, level: str) -> None:
    desk = Desk.on(make_store_server(kind=kind, appendfsync=fsync).url)

    assert check_durability(desk.store, allow_volatile=False) == level
    desk.store.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"appendonly": "no"}, "the append-only file is off (`CONFIG SET appendonly yes`"),
        ({"maxmemory_policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru (`CONFIG SET maxmemory-policy noevict"),
    ],
)
def test_a_store_that_forgets_is_refused_with_the_remedy(
    make_store_server: MakeStoreServer, kind: str, options: dict[str, str], complaint: str
) -> None:
    desk = Desk.on(make_store_server(kind=kind, password="s3cret", **options).url)

    with pytest.raises(StoreRefusedError) as refused:
        check_durability(desk.store, allow_volatile=False)

    assert complaint in one_line(refused.value)
    assert "--allow-volatile" in refused.value.hint
    assert check_durability(desk.store, allow_volatile=True) == "D0"
    desk.store.close()


def test_a_store_that_is_away_is_named_without_its_password() -> None:
    store = Store(f"redis://ann:s3cret@127.0.0.1:{free_port()}/0")

    with pytest.raises(StoreUnavailableError) as away, store.errors():
        store.now_ms()

    assert "cannot reach Redis at redis://ann:***@127.0.0.1:" in one_line(away.value)
    assert "dkronpy up" in away.value.hint
    store.close()


def test_a_wrong_password_is_said_without_showing_it(make_store_server: MakeStoreServer) -> None:
    server: StoreServer = make_store_server(kind="valkey", password="another")
    store = Store(f"redis://:s3cret@127.0.0.1:{server.port}/0")

    with pytest.raises(StoreUnavailableError, match="password") as refused, store.errors():
        store.now_ms()

    one_line(refused.value)
    store.close()


def test_a_store_that_hangs_is_given_up_within_the_timeout(make_store_server: MakeStoreServer) -> None:
    server = make_store_server(kind="valkey")
    store = Store(server.url, timeout=0.2)
    store.now_ms()
    server.pause()

    with pytest.raises(StoreUnavailableError, match=r"[Tt]imeout"), store.errors():
        store.now_ms()
    server.resume()
    store.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_is_full_says_so_and_has_written_nothing_by_halves(
    make_store_server: MakeStoreServer, kind: str
) -> None:
    desk = Desk.on(make_store_server(kind=kind).url)
    (name,) = desk.queued()
    desk.store.client.config_set("maxmemory", 1)

    with pytest.raises(StoreUnavailableError, match="is full") as full, desk.store.errors():
        desk.claim(name)

    one_line(full.value)
    desk.store.client.config_set("maxmemory", 0)
    assert desk.claim(name).attempt == 1
    desk.store.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:s3cret@h/0", "redis://:***@h/0"),
        ("rediss://ann:s3cret@h:1/2", "rediss://ann:***@h:1/2"),
        ("unix://:s3cret@/run/store.sock?db=1", "unix://:***@/run/store.sock?db=1"),
        ("redis://h/0?password=s3cret&db=1", "redis://h/0?password=***&db=1"),
    ],
)
def test_passwords_are_masked_wherever_they_stand(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize("url", ["amqp://ann:s3cret@h//", "redis://:s3cret/s3cret@h/0", "redis://h:99999/0", "h:6379"])
def test_a_url_that_cannot_be_read_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match="store_url") as refused:
        Store(url)

    one_line(refused.value)
