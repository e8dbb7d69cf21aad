"""Tokens as JSON; a secret is told once, with the token that it belongs to."""

from __future__ import annotations

from typing import Annotated

import msgspec


class TokenAsked(msgspec.Struct, kw_only=True):
    """A token to make: with a role, for all jobs or for some (patterns), or with policies instead of a role.

    It ends after ``expires`` (``90d``), or never.
    """

    name: Annotated[str, msgspec.Meta(examples=["reports"], max_length=100)]
    role: Annotated[str, msgspec.Meta(examples=["viewer"], max_length=20)] = ""
    jobs: Annotated[list[str], msgspec.Meta(examples=[["report-*"]], max_length=100)] = []
    policies: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    expires: Annotated[str, msgspec.Meta(examples=["90d"], max_length=50)] = ""


class TokenOut(msgspec.Struct, kw_only=True):
    """What is known of a token; ``state`` is ``active``, ``expired`` or ``revoked``. Its secret is not known."""

    id: str
    name: str
    state: str
    role: str
    jobs: list[str]
    policies: list[str]
    created_at: str | None
    created_by: str
    expires_at: str | None
    used_at: str | None


class TokenMade(msgspec.Struct, kw_only=True):
    """A new token, and its secret, which nobody can read again."""

    token: TokenOut
    secret: str


class TokenList(msgspec.Struct, kw_only=True):
    """A page of tokens, the newest first. ``after`` asks for the page behind it; null at the end."""

    items: list[TokenOut]
    after: str | None = None
