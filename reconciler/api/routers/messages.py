"""Messages in mailboxes, and the threads that they belong to."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging, Row
from reconciler.api.requests import AckMessage, OpenThread, ReadMessage, SendMessage, ThreadStep
from reconciler.api.things import Things, equal
from reconciler.client.documents import Message, Thread
from reconciler.control.desk import messages

router = APIRouter(prefix="/api/v1", tags=["messages"])

MESSAGES = Things("messages", "message", "messages", shown.message, ("sequence", "sent_at", "priority", "status"))
THREADS = Things("threads", "thread", "threads", shown.thread, ("created_at", "updated_at", "title", "status"))
_MESSAGE = answers(message=Message, refused=(404, 409), versioned=True)
_THREAD = answers(thread=Thread, refused=(404, 409), versioned=True)


@router.post("/messages", status_code=201, responses=answers(message=Message, status=201, refused=(404, 409)))
async def send_message(access: Working, body: SendMessage) -> Response:
    """Put a message into a mailbox, which is made if it is new; a specialist's token sends as itself."""
    sender = body.sender_id or access.caller.specialist
    access.caller.acts_as(sender)
    command = messages.send(
        body.mailbox_id,
        body.content,
        message_type=body.message_type,
        sender_id=sender or None,
        thread_id=body.thread_id or "",
        priority=body.priority,
        message_id=body.message_id or "",
    )
    return await MESSAGES.written(access, command, 201)


@router.get("/messages", responses=answers(messages=list[Message], refused=(404,)))
async def list_messages(
    access: Reading,
    paging: Paging,
    mailbox_id: Annotated[str | None, Query(description="Only of this mailbox.")] = None,
    thread_id: Annotated[str | None, Query(description="Only of this thread.")] = None,
    status: Annotated[Literal["pending", "read", "acked"] | None, Query()] = None,
    after: Annotated[int, Query(ge=0, le=2**62, description="Only those with a higher `sequence`.")] = 0,
    at: At = None,
) -> Response:
    """Messages in the order in which they came, a page at a time."""

    def wanted(row: Row) -> bool:
        return row["sequence"] > after and equal(row, mailbox_id=mailbox_id, thread_id=thread_id, status=status)

    return await MESSAGES.page(access, paging, at, wanted)


@router.get("/messages/{message_id}", responses=answers(message=Message, refused=(404,), versioned=True))
async def get_message(access: Reading, message_id: Key) -> Response:
    """One message."""
    return MESSAGES.show(access, message_id)


@router.post("/messages/{message_id}/read", responses=_MESSAGE)
async def read_message(access: Working, message_id: Key, body: ReadMessage) -> Response:
    """Say that it was read; once is enough."""
    access.caller.acts_as(body.reader_id)
    return await MESSAGES.written(access, messages.read(message_id, body.reader_id))


@router.post("/messages/{message_id}/ack", responses=_MESSAGE)
async def ack_message(access: Working, message_id: Key, body: AckMessage) -> Response:
    """Say that it was dealt with, and how."""
    access.caller.acts_as(body.acker_id)
    return await MESSAGES.written(access, messages.ack(message_id, body.acker_id, response=body.response))


@router.post("/threads", status_code=201, responses=answers(thread=Thread, status=201, refused=(409,)))
async def open_thread(access: Working, body: OpenThread) -> Response:
    """Begin a conversation."""
    return await THREADS.written(access, messages.open_thread(body.participants, title=body.title), 201)


@router.get("/threads", responses=answers(threads=list[Thread], refused=(404,)))
async def list_threads(
    access: Reading,
    paging: Paging,
    at: At = None,
    participant: Annotated[str | None, Query(description="Only those that it takes part in.")] = None,
    status: Annotated[Literal["open", "closed"] | None, Query()] = None,
) -> Response:
    """Threads, a page at a time."""

    def wanted(row: Row) -> bool:
        return equal(row, status=status) and (participant is None or participant in row["participants"])

    return await THREADS.page(access, paging, at, wanted)


@router.get("/threads/{thread_id}", responses=answers(thread=Thread, refused=(404,), versioned=True))
async def get_thread(access: Reading, thread_id: Key) -> Response:
    """One thread; its messages are those of `/messages?thread_id=…`."""
    return THREADS.show(access, thread_id)


@router.post("/threads/{thread_id}/join", responses=_THREAD)
async def join_thread(access: Working, thread_id: Key, body: ThreadStep) -> Response:
    """Take part in it."""
    access.caller.acts_as(body.actor_id)
    return await THREADS.written(access, messages.change_thread(thread_id, body.actor_id, "join"))


@router.post("/threads/{thread_id}/leave", responses=_THREAD)
async def leave_thread(access: Working, thread_id: Key, body: ThreadStep) -> Response:
    """Take part in it no longer."""
    access.caller.acts_as(body.actor_id)
    return await THREADS.written(access, messages.change_thread(thread_id, body.actor_id, "leave"))


@router.post("/threads/{thread_id}/close", responses=_THREAD)
async def close_thread(access: Working, thread_id: Key, body: ThreadStep) -> Response:
    """End it."""
    access.caller.acts_as(body.actor_id)
    return await THREADS.written(access, messages.change_thread(thread_id, body.actor_id, "close"))
