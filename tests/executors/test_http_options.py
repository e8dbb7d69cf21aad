"""The options of the http executor: what cannot work is refused when the job is saved."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import InvalidError
from dkronpy.executors.http import Http
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.secret import Secret
from tests.support import ROOT


@pytest.mark.parametrize(
    ("config", "field", "text"),
    [
        ({}, "url", "url is empty"),
        ({"url": ""}, "url", "url is empty"),
        ({"url": "billing.internal/x"}, "url", "the form is http://host[:port]/path"),
        ({"url": "ftp://a/"}, "url", "the form is http://"),
        ({"url": "http://a:99999/"}, "url", "is not a URL"),
        ({"url": "http://a/", "method": "PSOT"}, "method", "did you mean 'POST'?"),
        ({"url": "http://a/", "method": "A B"}, "method", "is not an HTTP method"),
        ({"url": "http://a/", "headers": "X-Token abc"}, "headers", "is not JSON"),
        ({"url": "http://a/", "headers": '["X-Token abc"]'}, "headers", "has no colon"),
        ({"url": "http://a/", "headers": {"A": "b\r\nEvil: c"}}, "headers", "control character"),
        ({"url": "http://a/", "headers": {"A b": "c"}}, "headers", "name of a header"),
        ({"url": "http://a/", "expectCode": "abc"}, "expectCode", "is not a status code"),
        ({"url": "http://a/", "expectCode": "999"}, "expectCode", "100 to 599"),
        ({"url": "http://a/", "expectBody": "("}, "expectBody", "is not a regular expression"),
        ({"url": "http://a/", "expectBody": "[[:alpha:]]"}, "expectBody", "POSIX class"),
        ({"url": "http://a/", "timeout": "soon"}, "timeout", "is not a duration"),
        ({"url": "http://a/", "tlsNoVerifyPeer": "maybe"}, "tlsNoVerifyPeer", "is not a truth value"),
        ({"url": "http://a/", "tls_key": "k.pem"}, "tls_key", "needs tls_cert"),
        ({"url": "http://a/", "body": "a", "json": {}}, "json", "only one can be sent"),
        ({"url": "http://a/", "expectcode": "200"}, "expectcode", "did you mean 'expectCode'?"),
        ({"url": "http://a/", "proxy": "socks5://p/"}, "proxy", "is not a URL"),
        ({"url": "http://a/", "redirects": -1}, "redirects", "below zero"),
    ],
)
def test_options_that_cannot_work_are_refused(config: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Http.from_config(config, job="ping")
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_headers_that_come_twice_are_joined() -> None:
    options = Http.from_config({"url": "http://a/", "headers": ["A: 1", "a: 2", "Cookie: x=1", "Cookie: y=2"]})
    assert options.headers == {"A": "1, 2", "Cookie": "x=1; y=2"}


NAMES = st.text("abcXYZ-", min_size=1, max_size=8)
SECRETS = st.builds(Secret, st.text("abc/", min_size=1, max_size=5))
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=9)
HTTPS = st.builds(
    Http,
    url=st.sampled_from(["http://a/", "https://b:8443/x?y=1"]) | SECRETS,
    method=st.sampled_from(["GET", "post", "DELETE"]),
    headers=st.dictionaries(NAMES, VALUES | SECRETS, max_size=3).filter(
        lambda table: len({name.lower() for name in table}) == len(table)
    ),
    body=VALUES | SECRETS,
    auth=st.none() | st.builds(Bearer, SECRETS) | st.builds(Basic, VALUES, SECRETS),
    timeout=st.integers(0, 10**6) | st.timedeltas(timedelta(0), timedelta(days=9)),
    expect=st.sampled_from(["", "2xx", "200, 204", 200]) | st.tuples(st.just(200), st.just("3xx")),
    expect_body=st.sampled_from(["", "ok", r"\d+\z"]),
    redirects=st.integers(0, 20),
    tls_no_verify=st.booleans(),
    tls_ca=VALUES,
    debug=st.booleans(),
)


@given(HTTPS)
def test_options_survive_their_json(options: Http) -> None:
    config = json.loads(json.dumps(options.to_config()))
    assert Http.from_config(config) == options


def test_checking_options_does_not_cost_the_import_of_requests() -> None:
    code = (
        "import sys; from dkronpy.executors.http import Http; print('requests' in sys.modules, Http('x').problems()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("False executor_config.url: "), done.stderr
