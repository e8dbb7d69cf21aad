"""Credentials that several plugins take: a bearer token, or a user with a password."""

from __future__ import annotations

import msgspec

from dkronpy.plugins.values import Text


class Bearer(msgspec.Struct, frozen=True, tag="bearer"):
    """``Authorization: Bearer <token>``; the token is best a ``secret("name")``."""

    token: Text


class Basic(msgspec.Struct, frozen=True, tag="basic"):
    """HTTP's basic authentication, in UTF-8."""

    user: Text
    password: Text
