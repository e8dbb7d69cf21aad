"""The files that a page is made of: style, script and icon, under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from dkronpy.web.places import place

FOLDER = Path(__file__).parent / "static"
STYLES = ("app.css", "uplot.min.css")
SCRIPTS = ("htmx.min.js", "live.js", "moments.js", "log.js", "find.js", "keys.js", "pages.js", "views.js")
MORE = {
    "timeline.js": ("timeline.js", "brush.js"),
    "statistics.js": ("uplot.min.js", "statistics.js"),
}
"""What some pages load beside the rest."""
TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file as it is sent."""

    path: str
    type: str
    body: bytes
    gzipped: bytes


class Assets:
    """Reads every file once, when the server starts."""

    def __init__(self, folder: Path = FOLDER) -> None:
        bodies = {
            "app.css": _joined(folder, STYLES),
            "app.js": _bundle([folder / name for name in SCRIPTS], folder / "worker.js"),
            **{name: _tidied_all([folder / one for one in names]).encode() for name, names in MORE.items()},
            "icon.svg": (folder / "icon.svg").read_bytes(),
        }
        self._assets = {name: _asset(name, body) for name, body in bodies.items()}
        self._by_path = {asset.path: asset for asset in self._assets.values()}

    def url(self, name: str) -> str:
        """The address of a file."""
        return place("/static/") + self._assets[name].path

    def find(self, path: str) -> Asset | None:
        """The file at an address below ``/static/``."""
        return self._by_path.get(path)


def _asset(name: str, body: bytes) -> Asset:
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(
        path=f"{digest}/{name}", type=TYPES[name.rpartition(".")[2]], body=body, gzipped=gzip.compress(body, 9, mtime=0)
    )


def _joined(folder: Path, names: tuple[str, ...]) -> bytes:
    return b"\n".join((folder / name).read_bytes() for name in names)


def _bundle(scripts: list[Path], worker: Path) -> bytes:
    """One script for page and worker, so that the browser has to ask once."""
    return f'{worker.read_text()}\nif (typeof document !== "undefined") {{\n{_tidied_all(scripts)}\n}}\n'.encode()


def _tidied_all(scripts: list[Path]) -> str:
    return "\n".join(_tidied(path.read_text()) for path in scripts)


def _tidied(script: str) -> str:
    """A script without what only its readers need: how far its lines stand in, and lines that are comments."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
