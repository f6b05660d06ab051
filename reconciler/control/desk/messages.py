"""Commands about messages: sent, taken, dealt with, in threads; and how far each consumer has read.

Delivery is at least once. A message is pending until its reader has taken it, and what was taken by a reader that died is
put back when its work is taken up again. Sending the same message once more, under the same id, is no second message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.control.desk import checkpoints, reading
from reconciler.control.desk.desk import Command, Work
from reconciler.events.envelope import NewEvent
from reconciler.projections.rows import Row, Rows
from reconciler.work import squawk as rules
from reconciler.work.refusals import InputRefused
from reconciler.work.squawk import MessagePriority
from reconciler.work.state import Message, Thread

DEFAULT_CONSUMER = "default"


def send(
    mailbox_id: str,
    content: Mapping[str, Any],
    *,
    message_type: str = "note",
    sender_id: str | None = None,
    thread_id: str = "",
    priority: MessagePriority = "normal",
    message_id: str = "",
) -> Command[Message]:
    """Put a message into a mailbox, which is made if it is new.

    Args:
        message_id: the sender's own id for it, under which it may be sent again; a new one when empty.
    """

    def command(work: Work) -> Message:
        known = work.rows.get("messages", message_id) if message_id else None
        key = message_id or work.new_id("msg")
        events = rules.send(
            key,
            mailbox_id,
            message_type=message_type,
            content=content,
            now_ms=work.now_ms,
            sender_id=sender_id,
            thread=reading.thread(work.rows, thread_id) if thread_id else None,
            priority=priority,
            existing=Message.from_row(known) if known is not None else None,
        )
        work.record(events)
        sent = reading.message(work.rows, key)
        if events:
            checkpoints.undelivered(work, sent)
        return sent

    return command


def take(
    mailbox_id: str, reader_id: str, *, limit: int = 0, consumer_id: str = "", after: int = 0
) -> Command[list[Message]]:
    """Take the messages that wait in a mailbox, the most urgent first: from now on they are read.

    Args:
        limit: at most so many; 0 is all.
        consumer_id: whose cursor moves along to the newest one; none does when empty.
        after: only messages with a higher sequence.
    """

    def command(work: Work) -> list[Message]:
        found = inbox(work.rows, mailbox_id, after=after)[: limit or None]
        for message in found:
            work.record(rules.read(message, reader_id, now_ms=work.now_ms))
        if consumer_id and found:
            _move(work, "squawk", mailbox_id, max(one.sequence for one in found), consumer_id, back=False)
        return [reading.message(work.rows, one.id) for one in found]

    return command


def read(message_id: str, reader_id: str) -> Command[Message]:
    """Say that a message was read; once is enough."""

    def command(work: Work) -> Message:
        work.record(rules.read(reading.message(work.rows, message_id), reader_id, now_ms=work.now_ms))
        return reading.message(work.rows, message_id)

    return command


def ack(message_id: str, acker_id: str, *, response: Mapping[str, Any] | None = None) -> Command[Message]:
    """Say that a message was dealt with."""

    def command(work: Work) -> Message:
        message = reading.message(work.rows, message_id)
        work.record(rules.ack(message, acker_id, now_ms=work.now_ms, response=response))
        return reading.message(work.rows, message_id)

    return command


def requeue(message_id: str, *, reason: str) -> Command[Message]:
    """Let a message that was read but not dealt with wait again."""

    def command(work: Work) -> Message:
        work.record(rules.requeue(reading.message(work.rows, message_id), now_ms=work.now_ms, reason=reason))
        return reading.message(work.rows, message_id)

    return command


def open_thread(
    participants: Sequence[str], *, title: str = "", thread_id: str = "", initial_message_id: str | None = None
) -> Command[Thread]:
    """Begin a conversation.

    Args:
        thread_id: a new one when empty; one that is known already is given back as it is.
    """

    def command(work: Work) -> Thread:
        if thread_id and work.rows.get("threads", thread_id) is not None:
            return reading.thread(work.rows, thread_id)
        key = thread_id or work.new_id("thread")
        work.record(
            rules.open_thread(key, participants, now_ms=work.now_ms, title=title, initial_message_id=initial_message_id)
        )
        return reading.thread(work.rows, key)

    return command


def change_thread(thread_id: str, actor_id: str, step: Literal["join", "leave", "close"]) -> Command[Thread]:
    """Take part in a conversation, take part no longer, or end it."""
    rule = {"join": rules.join, "leave": rules.leave, "close": rules.close}[step]

    def command(work: Work) -> Thread:
        work.record(rule(reading.thread(work.rows, thread_id), actor_id, now_ms=work.now_ms))
        return reading.thread(work.rows, thread_id)

    return command


def advance(
    stream_id: str, position: int, *, consumer_id: str = DEFAULT_CONSUMER, stream_type: str = "squawk"
) -> Command[Row]:
    """Say how far a consumer has dealt with a stream; it may go back, to see messages once more. Returns its row.

    Raises:
        InputRefused: the position is negative.
    """

    def command(work: Work) -> Row:
        if position < 0:
            raise InputRefused(f"a cursor's position is 0 or more, not {position}")
        _move(work, stream_type, stream_id, position, consumer_id, back=True)
        return cursor(work.rows, stream_id, consumer_id, stream_type=stream_type) or {}

    return command


def inbox(rows: Rows, mailbox_id: str, *, after: int = 0, unread_only: bool = True) -> list[Message]:
    """What lies in a mailbox, in the order to deal with it."""
    return list(rules.inbox(_in(rows, mailbox_id), after=after, unread_only=unread_only))


def in_thread(rows: Rows, thread_id: str) -> list[Message]:
    """The messages of a conversation, oldest first."""
    found = (Message.from_row(row) for _, row in rows.scan("messages") if row.get("thread_id") == thread_id)
    return sorted(found, key=lambda one: (one.sent_at, one.sequence, one.id))


def cursor(
    rows: Rows, stream_id: str, consumer_id: str = DEFAULT_CONSUMER, *, stream_type: str = "squawk"
) -> Row | None:
    """A consumer's cursor in a stream; None before it has said anything."""
    for _, row in rows.scan("cursors"):
        if (row["stream_type"], row["stream_id"], row["consumer_id"]) == (stream_type, stream_id, consumer_id):
            return row
    return None


def _in(rows: Rows, mailbox_id: str) -> list[Message]:
    return [Message.from_row(row) for _, row in rows.scan("messages") if row.get("mailbox_id") == mailbox_id]


def _move(work: Work, stream_type: str, stream_id: str, position: int, consumer_id: str, *, back: bool) -> None:
    known = cursor(work.rows, stream_id, consumer_id, stream_type=stream_type)
    if known is not None and (known["position"] == position or (known["position"] > position and not back)):
        return
    data = {
        "cursor_id": known["id"] if known is not None else work.new_id("cursor"),
        "stream_type": stream_type,
        "stream_id": stream_id,
        "consumer_id": consumer_id,
        "position": position,
    }
    work.record([NewEvent("cursor_advanced", "squawk", stream_id, data, occurred_at=work.now_ms)])
