"""The outbox: for each sink how far it was told, what is due, and the record of what became of it.

Nothing is kept beside the log. Where a sink stands follows from the newest event that says it took a notification, or that
this was given up; what is newer and chosen is still to be told. A process that dies between telling and recording tells
again: at least once, with the event's id as the key by which a receiver knows that it has had it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from reconciler.control.notify.chosen import chooses, sink_name
from reconciler.control.notify.sinks import NotTaken, Sink, sink_of
from reconciler.events.document import event_name, parse_id
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.projections.fleet import revision_key
from reconciler.projections.store import EventQuery, Store
from reconciler.spec.desired import Desired, Notification, to_document
from reconciler.spec.roles import digest_of

MAX_TRIES = 8
GIVE_UP_MS = 86_400_000
FIRST_PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 60_000
_AT_ONCE = 100


@dataclass(slots=True)
class _Place:
    """Where one sink stands.

    Attributes:
        after: the sequence number up to which everything was told or is not chosen.
        tries: how often the next one was tried.
        due_ms: when it is tried again.
    """

    declared: Notification
    sink: Sink
    after: int
    tries: int = 0
    due_ms: int = 0


class Outbox:
    """Tells the sinks that a fleet declares."""

    def __init__(
        self,
        store: Store,
        desired: Desired,
        cause: Cause,
        *,
        project: Path,
        environ: Mapping[str, str],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._cause = cause
        self._clock = clock
        self._places = {
            sink_name(one): _Place(one, sink_of(one, desired, project=project, environ=environ), _begin(store, one))
            for one in desired.notifications
        }

    def tell(self, *, stop: Callable[[], bool] = lambda: False) -> int | None:
        """Tell whatever is due; when the next try is due (Unix ms), None when nothing is left to tell.

        Args:
            stop: asked before each try.
        """
        due = [self._tell_one(name, place, stop) for name, place in self._places.items()]
        return min((one for one in due if one is not None), default=None)

    def _tell_one(self, name: str, place: _Place, stop: Callable[[], bool]) -> int | None:
        while not stop():
            event = self._next(place)
            if event is None:
                return None
            if place.due_ms > self._clock():
                return place.due_ms
            if not self._try(name, place, event):
                return place.due_ms
        return self._clock()

    def _next(self, place: _Place) -> Event | None:
        """The oldest event that is still to be told; what is not chosen is passed over for good."""
        head = self._store.head()
        while place.after < head:
            page = list(self._store.events(EventQuery(after=place.after, limit=_AT_ONCE)))
            for event in page:
                if chooses(place.declared, event):
                    return event
                place.after = event.sequence_number
            if not page:
                return None
        return None

    def _try(self, name: str, place: _Place, event: Event) -> bool:
        """One try; whether this event is dealt with."""
        place.tries += 1
        try:
            place.sink.give(event)
        except NotTaken as error:
            now = self._clock()
            if place.tries < MAX_TRIES and now - event.recorded_at < GIVE_UP_MS:
                place.due_ms = now + min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << (place.tries - 1))
                return False
            self._record(name, place, event, "notification_failed", error.what)
        else:
            self._record(name, place, event, "notification_delivered", "")
        place.after, place.tries, place.due_ms = event.sequence_number, 0, 0
        return True

    def _record(self, name: str, place: _Place, event: Event, event_type: str, error: str) -> None:
        data = {"sink": name, "event_id": event_name(event.event_id), "attempts": place.tries}
        if error:
            data["error"] = error
        new = NewEvent(event_type, "system", _stream(name), data, causation_id=event.event_id)
        self._store.append([new], self._cause)


def _stream(name: str) -> str:
    return f"notify/{name}"


def _begin(store: Store, one: Notification) -> int:
    """The sequence number after which a sink is to be told."""
    query = EventQuery(stream_type="system", stream_id=_stream(sink_name(one)), newest_first=True, limit=1)
    for last in store.events(query):
        told = store.event(parse_id(str(last.data["event_id"])))
        if told is not None:
            return told.sequence_number
    return _declared_at(store, one)


def _declared_at(store: Store, one: Notification) -> int:
    """For a sink that was never told anything: just before the revision that first declares it, of those that follow."""
    head, rows = store.projected().head, store.rows()
    wanted, since = digest_of(to_document(one)), store.head()
    for number in range(head.revision, 0, -1):
        row = rows.get("revisions", revision_key(number))
        if row is None or row["document"] is None:
            continue
        if wanted not in map(digest_of, row["document"].get("notifications", ())):
            break
        event = store.event(UUID(row["event_id"]))
        since = event.sequence_number - 1 if event is not None else since
    return since
