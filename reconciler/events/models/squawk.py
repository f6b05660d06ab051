"""Events of messages: mailboxes, what is sent to them and what becomes of it, and threads over several mailboxes."""

from __future__ import annotations

from typing import Literal

from reconciler.events.envelope import StreamType
from reconciler.events.models.base import Count, Document, EventModel, Legacy, ListOf, Text, Timestamp


class SquawkSent(EventModel):
    """A message was put into a mailbox; the mailbox is made if it is new."""

    message_id: Text
    mailbox_id: Text
    sender_id: str | None = None
    thread_id: str | None = None
    message_type: Text
    content: Document
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    legacy: Legacy = None


class SquawkRead(EventModel):
    """A message was read."""

    message_id: Text
    mailbox_id: Text
    reader_id: Text


class SquawkAcked(EventModel):
    """A message was dealt with."""

    message_id: Text
    mailbox_id: Text
    acker_id: Text
    response: Document | None = None


class SquawkThreadCreated(EventModel):
    """A conversation was opened."""

    thread_id: Text
    title: str | None = None
    participants: ListOf[str]
    initial_message_id: str | None = None


class SquawkThreadActivity(EventModel):
    """Something happened in a conversation."""

    thread_id: Text
    activity_type: Literal["message", "join", "leave", "close"]
    actor_id: Text
    message_id: str | None = None


class MailboxCreated(EventModel):
    """A mailbox was made before any message; times are given where it comes from an older store."""

    mailbox_id: Text
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    legacy: Legacy = None


class CursorAdvanced(EventModel):
    """A consumer has dealt with everything of a stream up to `position`."""

    cursor_id: Text
    stream_type: StreamType
    stream_id: Text
    consumer_id: Text = "default"
    position: Count
    legacy: Legacy = None
