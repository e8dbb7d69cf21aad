"""Indexes the output of each attempt in Elasticsearch or OpenSearch, a document an attempt."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from dkronpy.errors import Problem
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, host_of, refused, send_json, url_problem
from ._settings import named, settings_of

_KEYS = {
    "url": "url", "index": "index", "index_date_format": "index_date_format", "username": "user", "user": "user",
    "password": "password", "api_key": "api_key",
}  # fmt: skip
_GO_DATES = (("2006", "%Y"), ("06", "%y"), ("01", "%m"), ("02", "%d"), ("15", "%H"))


class Elasticsearch(TlsOptions, frozen=True, kw_only=True):
    """Which index on which servers: ``Elasticsearch(url="https://search:9200", index="runs-{{ due.year }}")``."""

    plugin: ClassVar[str] = "elasticsearch"

    config: Annotated[
        Text,
        named("elasticsearch"),
        doc("Settings by name: the secret `elasticsearch/<name>` of the node, a JSON object."),
    ] = ""
    url: Annotated[tuple[str, ...], doc("The servers; the first that answers is used.")] = ("http://localhost:9200",)
    index: Annotated[str, doc("The index.")] = "dkron_logs"
    index_date_format: Annotated[str, doc("Put behind the index's name: a date as Go writes them, `2006.01.02`.")] = ""
    user: Annotated[Text, doc("The user.", dkron="username")] = ""
    password: Annotated[Text, doc("The user's password.")] = ""
    api_key: Annotated[Text, doc("An API key in base64, instead of a user.")] = ""

    def check(self) -> Iterator[Problem]:
        """The URLs must be usable."""
        yield from super().check()
        for url in self.url or ("",):
            if wrong := url_problem(url):
                yield self.problem("url", wrong)


class ElasticsearchProcessor(Processor[Elasticsearch]):
    """Indexes a document with the output and all facts; indexing the same attempt again replaces it."""

    options = Elasticsearch

    def process(self, output: bytes, options: Elasticsearch, info: ExecutionInfo) -> bytes | None:
        """Put the document; the next server is asked where one cannot be reached."""
        settings = settings_of(options.config, _KEYS)
        urls = settings.get("url", options.url)
        ready = options.but(config="", **(settings | {"url": urls.split(",") if isinstance(urls, str) else urls}))
        if ready.problems():
            raise ProcessorError("the settings under this name cannot be used")
        body = json.dumps({**_document(info), "output": output.decode("utf-8", "replace")}).encode()
        path = f"{quote(_index(ready, info), safe='')}/_doc/{quote(info.id, safe='')}"
        error = ProcessorError("no server is given")
        for url in ready.url:
            try:
                status, answer = send_json("PUT", f"{url.strip().rstrip('/')}/{path}", body, ready, _credentials(ready))
            except ProcessorError as failure:
                error = failure
                continue
            if status not in (200, 201):
                raise refused(host_of(url), status, answer)
            return options.instead("Output in Elasticsearch")
        raise error


def _document(info: ExecutionInfo) -> dict[str, Any]:
    facts = info.facts()
    return {"@timestamp": facts["finished"], "job_name": facts.pop("job"), **facts}


def _index(options: Elasticsearch, info: ExecutionInfo) -> str:
    layout = options.index_date_format.replace("%", "%%")
    for go, ours in _GO_DATES:
        layout = layout.replace(go, ours)
    return options.index + info.finished.strftime(layout)


def _credentials(options: Elasticsearch) -> dict[str, str]:
    if options.api_key:
        return {"Authorization": f"ApiKey {options.api_key}"}
    if options.user:
        pair = f"{options.user}:{options.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}
