"""The event log: read, followed as it grows, counted, and added to by those who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from reconciler.api.access import Access, Reading, Working
from reconciler.api.documented import answers
from reconciler.api.input import Input, Name
from reconciler.api.refusals import Forbidden, InputUnclear
from reconciler.api.service import Service, now_ms
from reconciler.control.documents import statistics_document
from reconciler.errors import NotFound
from reconciler.events.document import event_document, parse_id
from reconciler.events.envelope import STREAM_TYPES, NewEvent, StreamType
from reconciler.events.moment import Moment, parse_moment
from reconciler.events.registry import entry
from reconciler.ids import uuid7
from reconciler.projections.store import EventQuery, Store

router = APIRouter(prefix="/api/v1/events", tags=["events"])
MOST = 1_000
FREE = frozenset(
    {
        "context_injected",
        "feedback_received",
        "history_pruned",
        "history_queried",
        "history_recorded",
        "memory_expired",
        "memory_invalidated",
        "memory_retrieved",
        "memory_stored",
        "pattern_applied",
        "pattern_deprecated",
        "pattern_learned",
        "skill_acquired",
        "skill_invoked",
        "skill_registered",
        "skill_result",
        "validation_failed",
        "validation_passed",
        "validation_started",
    }
)
"""What whoever works may append: facts that no rule guards. Everything else has a path of its own, which keeps its rules."""

_LARGEST = (1 << 63) - 1
Number = Annotated[int, Query(ge=0, le=_LARGEST)]
Word = Annotated[str, Query(max_length=200)]
Events = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events somebody asks for; what is empty leaves none out."""

    types: tuple[str, ...]
    stream_type: str
    stream_id: str
    correlation_id: str
    causation_id: str

    def query(self) -> EventQuery:
        """As a query of the log.

        Raises:
            UnknownEventType, InputUnclear, IdUnclear: a type, a stream or an id that cannot be.
        """
        for name in self.types:
            entry(name)
        if self.stream_type and self.stream_type not in STREAM_TYPES:
            raise InputUnclear(f"there is no stream type {self.stream_type!r}", hint=", ".join(STREAM_TYPES))
        return EventQuery(
            types=self.types,
            stream_type=self.stream_type,
            stream_id=self.stream_id,
            correlation_id=parse_id(self.correlation_id) if self.correlation_id else None,
            causation_id=parse_id(self.causation_id) if self.causation_id else None,
        )


async def _filter(
    type: Annotated[list[str] | None, Query(description="Event types; may be repeated.", max_length=100)] = None,  # noqa: A002
    stream_type: Word = "",
    stream_id: Word = "",
    correlation_id: Word = "",
    causation_id: Word = "",
) -> Filter:
    return Filter(tuple(type or ()), stream_type, stream_id, correlation_id, causation_id)


Filtered = Annotated[Filter, Depends(_filter)]


@router.get("", responses=answers(events=Events))
async def list_events(
    access: Reading,
    chosen: Filtered,
    after: Number = 0,
    before: Annotated[int | None, Query(ge=0, le=_LARGEST)] = None,
    since: Annotated[Word, Query(description="From then on: a time, or `2 hours ago`.")] = "",
    until: Annotated[Word, Query(description="Up to then.")] = "",
    text: Annotated[Word, Query(description="Occurs in the event's data.")] = "",
    newest_first: bool = False,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: Annotated[Word, Query(description="`next` of the page before.")] = "",
) -> Response:
    """Events, a page at a time, with how many there are in all."""
    store = access.service.store
    base = replace(chosen.query(), after=after, before=before, text=text, newest_first=newest_first)
    query = _between(base, since, until)
    page = _from_cursor(query, cursor)

    def look() -> tuple[Events, int]:
        found = [event_document(event) for event in store.events(replace(page, limit=limit + 1))]
        return found, store.count(query)

    found, total = await access.service.in_thread(look)
    more = len(found) > limit
    last = str(found[limit - 1]["sequence_number"]) if more else None
    return access.answer({"events": found[:limit], "total": total, "next": last})


def _between(query: EventQuery, since: str, until: str) -> EventQuery:
    now = now_ms()
    begin = parse_moment(since, now_ms=now) if since else Moment()
    end = parse_moment(until, now_ms=now) if until else Moment()
    if begin.sequence is not None:
        query = replace(query, after=max(query.after, min(begin.sequence, _LARGEST) - 1))
    if end.sequence is not None:
        upper = min(end.sequence, _LARGEST - 1) + 1
        query = replace(query, before=upper if query.before is None else min(upper, query.before))
    return replace(query, since_ms=begin.time_ms, until_ms=end.time_ms)


def _from_cursor(query: EventQuery, cursor: str) -> EventQuery:
    if not cursor:
        return query
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) <= _LARGEST):
        raise InputUnclear(f"{cursor[:80]!r} is no cursor of this list", hint="begin at the first page")
    place = int(cursor)
    if query.newest_first:
        return query.between(query.after, place if query.before is None else min(place, query.before))
    return query.between(max(place, query.after), query.before)


class Fact(Input):
    """An event that is to be recorded."""

    type: Name
    stream_id: Name
    data: dict[str, Any]
    stream_type: StreamType | None = None
    event_id: Name | None = Field(None, description="Chosen by the sender, who may then send it again.")
    causation_id: Name | None = None


class Facts(Input):
    """Events that are recorded together or not at all."""

    events: list[Fact] = Field(min_length=1, max_length=MOST)
    expected_version: int | None = Field(None, ge=0, le=_LARGEST, description="Of the first one's stream before.")


@router.post("", status_code=201, responses=answers(status=201, refused=(409,), whole=dict[str, Any]))
async def append_events(body: Facts, access: Working) -> Response:
    """Record events as they are. Those that follow rules need the scope `admin`: elsewhere their own paths record them."""
    events = [_new(fact, access) for fact in body.events]
    known = any(fact.event_id is not None for fact in body.events)
    recorded = await access.append(events, expected_version=body.expected_version, known=known)
    return access.answer({"events": [event_document(event) for event in recorded]}, 201)


def _new(fact: Fact, access: Access) -> NewEvent:
    kind = entry(fact.type)
    if fact.type not in FREE:
        try:
            access.caller.needs("admin")
        except Forbidden as refused:
            raise Forbidden(f"{fact.type} is recorded by what its rules allow", hint=refused.hint) from None
    if "specialist_id" in fact.data:
        access.caller.acts_as(str(fact.data["specialist_id"]))
    return NewEvent(
        fact.type,
        fact.stream_type or kind.stream_type,
        fact.stream_id,
        fact.data,
        event_id=parse_id(fact.event_id) if fact.event_id is not None else uuid7(),
        causation_id=parse_id(fact.causation_id) if fact.causation_id is not None else None,
    )


@router.get("/statistics", responses=answers(whole=dict[str, Any]))
async def get_statistics(access: Reading) -> Response:
    """How many events of what kind, by whom and when, and how much room they take."""
    from reconciler.ops.statistics import statistics

    store = access.service.store
    found = await access.service.in_thread(lambda: statistics(store, now_ms=now_ms()), long=True)
    return access.answer(statistics_document(found))


@router.get("/stream", response_class=StreamingResponse, responses=answers(nothing=True))
async def stream_events(
    access: Reading,
    chosen: Filtered,
    after: Annotated[int | None, Query(ge=0, le=_LARGEST, description="Begin after this sequence number.")] = None,
    limit: Annotated[int, Query(ge=0, description="End after so many; 0 for never.")] = 0,
    last_event_id: Annotated[str | None, Header(description="Go on after this one.")] = None,
) -> Response:
    """Server-sent events: what is recorded from now on, or after the event that is named. Each comes once, in order.

    Where nothing happens a comment comes every 15 seconds.
    """
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = min(int(last_event_id), _LARGEST)
    body = _frames(access.service, chosen.query(), after, limit)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(body, headers=headers, media_type="text/event-stream")


async def _frames(service: Service, query: EventQuery, after: int | None, limit: int) -> AsyncIterator[bytes]:
    async with service.following as following:
        position = following.head if after is None else after
        left = limit
        yield f"retry: 1000\n: after {position}\n\n".encode()
        while not service.ending.is_set():
            frames, position = await following.after(position, query)
            if limit:
                frames = frames[:left]
                left -= len(frames)
            if frames:
                service.metrics.streamed.add(by=len(frames))
                yield b"".join([frame.text for frame in frames])
            if limit and not left:
                return
            if not await following.wait(position, service.settings.heartbeat_s):
                yield b": heartbeat\n\n"


@router.get("/correlation/{correlation_id}", responses=answers(events=Events))
async def by_correlation(correlation_id: str, access: Reading) -> Response:
    """Everything that belongs to one request, apply or cycle."""
    return await _all_of(access, EventQuery(correlation_id=parse_id(correlation_id)))


@router.get("/streams/{stream_type}/{stream_id:path}", responses=answers(refused=(404,), events=Events))
@router.get("/stream/{stream_type}/{stream_id:path}", responses=answers(refused=(404,), events=Events))
async def one_stream(
    stream_type: StreamType,
    stream_id: str,
    access: Reading,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="Above this version of the stream.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """The events of one stream by their versions."""
    store: Store = access.service.store

    def look() -> tuple[Events, int]:
        found = [event_document(event) for event in islice(store.stream(stream_type, stream_id, after), limit + 1)]
        return found, store.stream_version(stream_type, stream_id)

    found, version = await access.service.in_thread(look)
    if not version:
        raise NotFound(f"there is no stream {stream_type}/{stream_id}")
    last = str(found[limit - 1]["version"]) if len(found) > limit else None
    return access.answer({"events": found[:limit], "total": version, "next": last}, version=version)


@router.get("/{event_id}", responses=answers(refused=(404,), event=dict[str, Any]))
async def get_event(event_id: str, access: Reading) -> Response:
    """One event by its id."""
    wanted = parse_id(event_id)
    store = access.service.store
    found = await access.service.in_thread(lambda: store.event(wanted))
    if found is None:
        raise NotFound(f"there is no event {event_id}")
    return access.answer({"event": event_document(found)})


async def _all_of(access: Access, query: EventQuery) -> Response:
    store = access.service.store
    found = await access.service.in_thread(
        lambda: [event_document(event) for event in store.events(replace(query, limit=MOST))]
    )
    return access.answer({"events": found, "total": len(found), "next": None})
