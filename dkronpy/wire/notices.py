"""Channels and the messages that went out by them, as JSON."""

from __future__ import annotations

import msgspec

from dkronpy.notices.outbox import Delivery
from dkronpy.notices.record import ChannelView
from dkronpy.wire.runs import time_in, time_out


class ChannelOut(msgspec.Struct, kw_only=True):
    """A channel and where it stands. ``problem`` says why it cannot be used, ``error`` how its last message failed."""

    name: str
    notifier: str
    on: list[str]
    default: bool
    waiting: int
    sent_at: str | None
    retry_at: str | None
    error: str
    problem: str


class ChannelList(msgspec.Struct, kw_only=True):
    """A page of channels, by name. ``after`` asks for the page behind it; null at the end."""

    items: list[ChannelOut]
    after: str | None = None


class DeliveryOut(msgspec.Struct, kw_only=True):
    """A message that was sent, or could not be: then ``error`` says why."""

    at: str
    channel: str
    subject: str
    notices: int
    tries: int
    error: str


class DeliveryList(msgspec.Struct, kw_only=True):
    """A page of messages, the newest first. ``after`` asks for the page behind it; null at the end."""

    items: list[DeliveryOut]
    after: str | None = None


def channel_out(one: ChannelView) -> ChannelOut:
    """A channel as JSON."""
    return ChannelOut(
        name=one.name, notifier=one.notifier, on=list(one.on), default=one.default, waiting=one.waiting,
        sent_at=time_out(one.sent_ms), retry_at=time_out(one.retry_ms), error=one.error, problem=one.problem,
    )  # fmt: skip


def channel_in(one: ChannelOut) -> ChannelView:
    """The channel that its JSON stands for."""
    return ChannelView(
        name=one.name, notifier=one.notifier, on=tuple(one.on), default=one.default, waiting=one.waiting,
        sent_ms=time_in(one.sent_at), retry_ms=time_in(one.retry_at), error=one.error, problem=one.problem,
    )  # fmt: skip


def delivery_out(one: Delivery) -> DeliveryOut:
    """A message as JSON."""
    return DeliveryOut(
        at=time_out(one.at_ms) or "", channel=one.channel, subject=one.subject, notices=one.notices, tries=one.tries,
        error=one.error,
    )  # fmt: skip


def delivery_in(one: DeliveryOut) -> Delivery:
    """The message that its JSON stands for."""
    return Delivery(
        at_ms=time_in(one.at), channel=one.channel, subject=one.subject, notices=one.notices, tries=one.tries,
        error=one.error,
    )  # fmt: skip
