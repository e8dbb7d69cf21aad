"""What URLs of Redis say, and what is refused with one line that holds no password."""

from __future__ import annotations

import pytest

from dkronpy.errors import InvalidError
from dkronpy.settings import load_settings
from dkronpy.settings.redis_url import read_redis_url
from dkronpy.store.connection import mask_url

TAGGED = {"DKRONPY_KEY_PREFIX": "{d}:", "DKRONPY_REDBEAT_KEY_PREFIX": "{d}redbeat:"}


def test_sentinels_are_asked_for_the_master_and_the_rest_is_the_masters() -> None:
    url = read_redis_url(
        "sentinels://ann:p%40ss@s1,[::1]:26380/3?master_name=jobs&sentinel_password=x&ssl_ca_certs=/ca"
    )

    assert (url.kind, url.tls, url.hosts) == ("sentinel", True, (("s1", 26379), ("::1", 26380)))
    assert (url.master_name, url.sentinel_password) == ("jobs", "x")
    assert url.at("10.0.0.7", 6379) == "rediss://ann:p%40ss@10.0.0.7:6379/3?ssl_ca_certs=%2Fca"


def test_several_addresses_of_ipv6_are_read_masked_and_checked() -> None:
    url = "sentinel://ann:pass@[::1]:26379,[fe80::2]/0?sentinel_password=x"
    assert read_redis_url(url).hosts == (("::1", 26379), ("fe80::2", 26379))
    assert mask_url(url) == "sentinel://ann:***@[::1]:26379,[fe80::2]/0?sentinel_password=***"
    with pytest.raises(ValueError, match="IPv6"):
        read_redis_url("sentinel://h,[::1")


def test_a_cluster_needs_some_of_its_nodes() -> None:
    url = read_redis_url("cluster://:pw@c1:7000,c2")

    assert (url.kind, url.hosts, url.plain) == ("cluster", (("c1", 7000), ("c2", 6379)), "redis://:pw@c1:7000")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("redis://ann:x@h/0", "redis://h:6379"),
        ("sentinel://a,b", "sentinel://b:26379,a:26379/0?master_name=mymaster"),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=0"),
    ],
)
def test_one_place_in_two_spellings(one: str, other: str) -> None:
    assert read_redis_url(one).place == read_redis_url(other).place
    assert read_redis_url(one).place != read_redis_url(other.replace("0?", "1?").replace("6379", "6380") + "5").place


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"DKRONPY_STORE_URL": "redis://ann:s3cret@h:port/0"},
            "store_url: 'redis://...' it cannot be read: 'port' is not a port",
        ),
        ({**TAGGED, "DKRONPY_STORE_URL": "cluster://:s3cret@h/3"}, "a Cluster has database 0 alone"),
        ({"DKRONPY_STORE_URL": "cluster://h"}, "key_prefix: 'dkronpy:' in a Redis Cluster all keys"),
        (
            {"DKRONPY_STORE_URL": "cluster://h", "DKRONPY_KEY_PREFIX": "{d}:"},
            "redbeat_key_prefix: 'redbeat:' in a Redis Cluster it has to have the tag of key_prefix, {d}",
        ),
    ],
)
def test_a_mistake_is_one_line_without_the_password(settings: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        load_settings(None, settings)

    text = str(refused.value)
    assert said.partition(": ")[2].rpartition("' ")[2] in text, text
    assert "s3cret" not in text


def test_celerys_keys_have_the_prefix_in_a_cluster_alone() -> None:
    assert load_settings(None, {**TAGGED, "DKRONPY_STORE_URL": "cluster://h"})[0].broker_key_prefix == "{d}:"
    assert load_settings(None, {"DKRONPY_STORE_URL": "sentinel://h"})[0].broker_key_prefix == ""
