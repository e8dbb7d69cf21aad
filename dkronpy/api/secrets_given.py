"""The secret that an Authorization header carries."""

from __future__ import annotations

import base64
import binascii


def secret_of(authorization: str) -> str:
    """Bearer's token, or Basic's password; '' where there is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return rest
        return pair.partition(":")[2]
    return ""
