"""Calls about messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Message, Urgency


def send(
    mailbox_id: str,
    message_type: str,
    content: Mapping[str, Any],
    *,
    sender_id: str | None = None,
    thread_id: str | None = None,
    priority: Urgency | None = None,
) -> Call[Message]:
    """Put a message into a mailbox."""
    body = {
        "mailbox_id": mailbox_id,
        "message_type": message_type,
        "content": dict(content),
        "sender_id": sender_id,
        "thread_id": thread_id,
        "priority": priority,
    }
    return Call(method="POST", path=path("messages"), body=present(body), answer=Message, inside="message")


def list_(
    mailbox_id: str,
    *,
    after: int | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> Call[Page[Message]]:
    """What lies in a mailbox, oldest first.

    Args:
        after: only messages with a higher `sequence`.
    """
    params = {"mailbox_id": mailbox_id, "after": after, "status": status, "limit": limit}
    return Call(method="GET", path=path("messages"), params=params, answer=Page[Message], inside="messages")


def get(message_id: str) -> Call[Message]:
    """One message."""
    return Call(method="GET", path=path("messages", message_id), answer=Message, inside="message")


def read(message_id: str, reader_id: str) -> Call[Message]:
    """Say that it was read."""
    where = path("messages", message_id, "read")
    return Call(method="POST", path=where, body={"reader_id": reader_id}, answer=Message, inside="message")


def ack(message_id: str, acker_id: str, *, response: Mapping[str, Any] | None = None) -> Call[Message]:
    """Say that it was dealt with, and how."""
    body = present({"acker_id": acker_id, "response": response})
    where = path("messages", message_id, "ack")
    return Call(method="POST", path=where, body=body, answer=Message, inside="message")
