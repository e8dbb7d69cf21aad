"""Our own route for a backup: definitions, counters and history as they are, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from litestar.params import QueryParameter
from litestar.response import Stream

from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import route
from dkronpy.api.services import services_of
from dkronpy.backup import encoded, lines_of

KIND = "application/x-ndjson"


@route("GET", "/api/v1/backup", action="govern", whole=True, tags=["deployment"])
def write_backup(
    request: AnyRequest,
    history: Annotated[bool, QueryParameter(description="The runs that the results backend keeps, too.")] = True,
) -> Stream:
    """Every job with its counters, and what was kept of its runs: what ``dkronpy restore`` takes, not yet packed.

    A backup is whole only with its last line, ``{"what": "end", ...}``.
    """
    services = services_of(request)

    def lines() -> Iterator[bytes]:
        for line in lines_of(services.client, history=history):
            yield encoded(line)

    return Stream(lines(), media_type=KIND)


ROUTES = [write_backup]
