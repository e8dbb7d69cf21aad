"""Sends style, script and icon, once a browser and version."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.errors import NotFoundError
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.site import site_of

_FOREVER = "public, max-age=31536000, immutable"


@page("/static/{digest:str}/{name:str}", public=True)
def static(request: AnyRequest, digest: FromPath[str], name: FromPath[str]) -> Response[Any]:
    """A file under the address that its content gives it."""
    asset = site_of(request).assets.find(f"{digest}/{name}")
    if asset is None:
        raise NotFoundError(f"there is no file {digest}/{name}", hint="reload the page: the server is another version")
    headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
    body = asset.body
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = asset.gzipped, "gzip"
    return Response(body, headers=headers, media_type=asset.type)


ROUTES = [static]
