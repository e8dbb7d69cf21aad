"""The secret that an Authorization header carries."""

from __future__ import annotations

import base64


def secret_of(authorization: str) -> str:
    """Bearer's token, or Basic's password; '' where there is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest, validate=True).decode()
        except ValueError:  # not base64, not ASCII, not UTF-8
            return rest
        return pair.partition(":")[2]
    return ""
