"""Following the log: what is there, and then what comes.

Appends of this process wake those who follow at once. Those of others are seen by asking the file now and then, which costs one
look at its last page and works for any number of writers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from reconciler.events.envelope import Event
from reconciler.events.store.query import EventQuery
from reconciler.events.store.reader import Reader


def follow(
    reader: Reader, query: EventQuery, appended: threading.Condition, *, poll_ms: int, stop: Callable[[], bool]
) -> Iterator[Event]:
    """The events that a query selects, oldest first, without end; a limit or a `before` of the query ends it.

    Args:
        appended: notified after every append of this process.
        poll_ms: how long events of another process may go unseen.
        stop: asked whenever there is nothing to hand out, and after each event.
    """
    after, left = query.after, query.limit
    while left != 0 and not stop():
        head = reader.head()
        before = head + 1 if query.before is None else min(query.before, head + 1)
        for event in reader.events(replace(query, after=after, before=before, limit=left, newest_first=False)):
            yield event
            left = left - 1 if left is not None else None
            if stop():
                return
        after = max(after, head)
        if query.before is not None and query.before <= after + 1:
            return
        with appended:
            appended.wait_for(partial(_is_over, reader, after, stop), timeout=poll_ms / 1000)


def _is_over(reader: Reader, seen: int, stop: Callable[[], bool]) -> bool:
    """Whether there is a reason to wait no longer."""
    return stop() or reader.head() > seen
