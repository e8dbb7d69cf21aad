"""How the options of a container are read: command lines, volumes, images, labels."""

from __future__ import annotations

import re
from typing import Any

from dkronpy.plugins.values import Rejected, read, read_float, read_text, shown

from ._words import split_words

LABEL = "dkronpy."
"""What the labels that we set begin with."""

_IMAGE = re.compile(r"[a-z0-9A-Z][\w.:/-]*(@[A-Za-z0-9_+.-]+:[0-9a-fA-F]{32,})?", re.ASCII)
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_HOST = re.compile(r"unix:///\S+|(tcp|http|https)://(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+)(:\d{1,5})?/?")


def read_line(value: Any) -> tuple[str, ...]:
    """A program and its arguments, from a list, or from a line that is split at blanks as a shell would."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return tuple(read(value, tuple[str, ...]))
    try:
        return split_words(read_text(value))
    except Rejected as error:
        raise Rejected(error.message, 'quote it, or run a shell: ["/bin/sh", "-c", "..."]') from None


def read_image(value: Any) -> str:
    """The name of an image as ``docker run`` takes it."""
    text = read_text(value).strip()
    if text and not _IMAGE.fullmatch(text):
        raise Rejected(f"{shown(text)} is not an image; the form is [registry/]name[:tag][@digest]")
    return text


def read_volumes(value: Any) -> tuple[str, ...]:
    """``/host:/container``, ``/host:/container:ro``, ``name:/container``, ``/container``; with commas or as a list."""
    volumes: tuple[str, ...] = read(value, tuple[str, ...])
    for volume in volumes:
        parts = volume.split(":")
        if len(parts) > 3 or not all(parts):
            raise Rejected(f"{shown(volume)} is not a volume; the form is /host/path:/container/path[:ro]")
        inside = parts[0] if len(parts) == 1 else parts[1]
        if not inside.startswith("/") or inside == "/":
            raise Rejected(f"{shown(volume)}: the path in the container must begin with / and not be / itself")
        if len(parts) > 1 and not (parts[0].startswith("/") or _VOLUME_NAME.fullmatch(parts[0])):
            raise Rejected(f"{shown(volume)}: what is mounted must be a path that begins with /, or a volume's name")
    return volumes


def read_labels(value: Any) -> dict[str, str]:
    """Labels from a table."""
    labels: dict[str, str] = read(value, dict[str, str])
    if ours := [name for name in labels if name.startswith(LABEL)]:
        raise Rejected(f"{ours[0]} cannot be given: the labels {LABEL}* are set by the node")
    if "" in labels:
        raise Rejected("a label needs a name")
    return labels


def read_cpus(value: Any) -> float:
    """How many processors' time it may use; 0 is no limit."""
    cpus = read_float(value)
    if cpus and cpus < 0.01:
        raise Rejected(f"{shown(value)} is less than the engine can do; accepted: 0.01 and above, 0 for no limit")
    return cpus


def read_host(value: Any) -> str:
    """The address of an engine."""
    text = read_text(value).strip()
    if text and not _HOST.fullmatch(text):
        raise Rejected(f"{shown(text)} is not an engine's address; accepted: unix:///path, tcp://host:port")
    return text
