"""Squawk: mailboxes, messages with priorities, and threads over several mailboxes.

Delivery is at least once: a message stays pending until its reader says that it was read, and the same id sent again is
no second message. What was read but never dealt with can be put back after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.work.refusals import AlreadyEnded, InputRefused, NotAssigned, TransitionRefused
from reconciler.work.state import Message, Thread

MessagePriority = Literal["low", "normal", "high", "urgent"]
PRIORITIES: tuple[MessagePriority, ...] = ("low", "normal", "high", "urgent")
_LEVEL: dict[str, int] = {name: level for level, name in enumerate(PRIORITIES)}


def _event(stream_id: str, event_type: str, now_ms: int, **data: Any) -> NewEvent:
    present = {key: value for key, value in data.items() if value is not None}
    return NewEvent(event_type, "squawk", stream_id, present, occurred_at=now_ms)


def send(
    message_id: str,
    mailbox_id: str,
    *,
    message_type: str,
    content: Mapping[str, Any],
    now_ms: int,
    sender_id: str | None = None,
    thread: Thread | None = None,
    priority: MessagePriority = "normal",
    existing: Message | None = None,
) -> list[NewEvent]:
    """Put a message into a mailbox, which is made if it is new.

    Args:
        thread: the conversation that it belongs to; a sender who is not in it joins.
        existing: what is known under this id; the same message again gives no event.

    Raises:
        InputRefused: no mailbox, no type, an unknown priority, or the id of another message.
        AlreadyEnded: the thread is closed.
    """
    if not mailbox_id.strip() or not message_type.strip():
        raise InputRefused("a message needs a mailbox and a type")
    if priority not in _LEVEL:
        raise InputRefused(f"{priority!r} is no priority of a message", hint=", ".join(PRIORITIES))
    if existing is not None:
        if (existing.mailbox_id, existing.message_type, dict(existing.content)) != (
            mailbox_id,
            message_type,
            dict(content),
        ):
            raise InputRefused(f"message {message_id} exists already with another content")
        return []
    events = [
        _event(
            mailbox_id,
            "squawk_sent",
            now_ms,
            message_id=message_id,
            mailbox_id=mailbox_id,
            sender_id=sender_id,
            thread_id=thread.id if thread else None,
            message_type=message_type,
            content=dict(content),
            priority=priority,
        )
    ]
    if thread is not None:
        actor = sender_id or "fleet"
        _check_open(thread)
        if actor not in thread.participants:
            events.append(_activity(thread, "join", actor, now_ms))
        events.append(_activity(thread, "message", actor, now_ms, message_id))
    return events


def read(message: Message, reader_id: str, *, now_ms: int) -> list[NewEvent]:
    """Say that a message was read; one that was read already gives no event."""
    if message.status != "pending":
        return []
    return [
        _event(
            message.mailbox_id,
            "squawk_read",
            now_ms,
            message_id=message.id,
            mailbox_id=message.mailbox_id,
            reader_id=reader_id,
        )
    ]


def ack(message: Message, acker_id: str, *, now_ms: int, response: Mapping[str, Any] | None = None) -> list[NewEvent]:
    """Say that a message was dealt with, reading it first where that was not said.

    Raises:
        AlreadyEnded: it was acknowledged already.
    """
    if message.status == "acked":
        raise AlreadyEnded(f"message {message.id} is acknowledged already")
    return [
        *read(message, acker_id, now_ms=now_ms),
        _event(
            message.mailbox_id,
            "squawk_acked",
            now_ms,
            message_id=message.id,
            mailbox_id=message.mailbox_id,
            acker_id=acker_id,
            response=dict(response) if response else None,
        ),
    ]


def requeue(message: Message, *, now_ms: int, reason: str) -> list[NewEvent]:
    """Put a message that was read but not dealt with back among the pending; nothing for any other."""
    if message.status != "read":
        return []
    return [
        _event(
            message.mailbox_id,
            "squawk_requeued",
            now_ms,
            message_id=message.id,
            mailbox_id=message.mailbox_id,
            reason=reason,
        )
    ]


def inbox(messages: Iterable[Message], *, after: int = 0, unread_only: bool = True) -> tuple[Message, ...]:
    """The messages of a mailbox in the order to deal with them: urgent first, then as they came.

    Args:
        after: a cursor's position; messages up to it are left out.
    """
    chosen = [m for m in messages if m.sequence > after and (m.status == "pending" or not unread_only)]
    return tuple(sorted(chosen, key=lambda m: (-_LEVEL[m.priority], m.sequence, m.sent_at, m.id)))


def open_thread(
    thread_id: str,
    participants: Sequence[str],
    *,
    now_ms: int,
    title: str = "",
    initial_message_id: str | None = None,
) -> list[NewEvent]:
    """Begin a conversation.

    Raises:
        InputRefused: nobody takes part.
    """
    if not participants:
        raise InputRefused("a thread needs participants")
    return [
        _event(
            thread_id,
            "squawk_thread_created",
            now_ms,
            thread_id=thread_id,
            title=title or None,
            participants=list(dict.fromkeys(participants)),
            initial_message_id=initial_message_id,
        )
    ]


def join(thread: Thread, actor_id: str, *, now_ms: int) -> list[NewEvent]:
    """Take part in a conversation; who is in it already gives no event.

    Raises:
        AlreadyEnded: it is closed.
    """
    _check_open(thread)
    return [] if actor_id in thread.participants else [_activity(thread, "join", actor_id, now_ms)]


def leave(thread: Thread, actor_id: str, *, now_ms: int) -> list[NewEvent]:
    """Take part no longer.

    Raises:
        AlreadyEnded: it is closed.
        TransitionRefused: not in it.
    """
    _check_open(thread)
    if actor_id not in thread.participants:
        raise TransitionRefused(f"{actor_id} is not in thread {thread.id}")
    return [_activity(thread, "leave", actor_id, now_ms)]


def close(thread: Thread, actor_id: str, *, now_ms: int) -> list[NewEvent]:
    """End a conversation.

    Raises:
        AlreadyEnded: it is closed.
        NotAssigned: not in it.
    """
    _check_open(thread)
    if actor_id not in thread.participants:
        raise NotAssigned(f"only a participant closes thread {thread.id}, and {actor_id} is none")
    return [_activity(thread, "close", actor_id, now_ms)]


def _activity(
    thread: Thread,
    kind: Literal["message", "join", "leave", "close"],
    actor: str,
    now_ms: int,
    message_id: str | None = None,
) -> NewEvent:
    return _event(
        thread.id,
        "squawk_thread_activity",
        now_ms,
        thread_id=thread.id,
        activity_type=kind,
        actor_id=actor,
        message_id=message_id,
    )


def _check_open(thread: Thread) -> None:
    if thread.closed:
        raise AlreadyEnded(f"thread {thread.id} is closed")
