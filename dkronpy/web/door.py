"""What the pages ask about whoever looks at them; the server that mounts the pages knows the answers."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request

AnyRequest = Request[Any, Any, Any]


class Door(Protocol):
    """Answers for one request. The server's own guard has let it in already."""

    def who(self, request: AnyRequest) -> str:
        """The name of whoever asks; '' where nobody is asked for one."""
        ...

    def may(self, request: AnyRequest, action: str, job: str | None = None) -> bool:
        """Whether they may ``operate``, ``edit``, ``administer`` or ``govern``; *job* narrows it to one job."""
        ...

    def sees(self, request: AnyRequest, job: str) -> bool:
        """Whether a job of this name is any of their business."""
        ...

    def sees_all(self, request: AnyRequest) -> bool:
        """Whether every job is."""
        ...

    def note(self, request: AnyRequest, detail: str) -> None:
        """Say in the audit log what a form did, beyond its path."""
        ...

    def provider(self) -> str:
        """Whom people may sign in with instead of a token; '' for nobody."""
        ...

    def leave(self, token: str) -> None:
        """End the session of this token, where it is one's."""
        ...


class OpenDoor:
    """Everybody may do everything: for a server that asks for no token."""

    def who(self, request: AnyRequest) -> str:
        """Nobody is asked."""
        return ""

    def may(self, request: AnyRequest, action: str, job: str | None = None) -> bool:
        """Yes."""
        return True

    def sees(self, request: AnyRequest, job: str) -> bool:
        """Yes."""
        return True

    def sees_all(self, request: AnyRequest) -> bool:
        """Yes."""
        return True

    def note(self, request: AnyRequest, detail: str) -> None:
        """Nobody keeps a log."""

    def provider(self) -> str:
        """Nobody signs in."""
        return ""

    def leave(self, token: str) -> None:
        """There are no sessions."""
