"""The desk for a command of a person: the project's log, in that person's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.control.checkpoints.filing import Filing
from reconciler.control.desk.desk import Desk
from reconciler.control.reading import read_file
from reconciler.errors import NotFound

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.rows import Rows
    from reconciler.projections.store import Store
    from reconciler.spec.desired import Desired


def reading_store(session: Session) -> Store:
    """The log, for reading.

    Raises:
        NotFound: nothing has been recorded yet.
    """
    store = session.store
    if store is None:
        raise NotFound("nothing has been applied yet", hint="fleet apply")
    return store


def open_desk(session: Session) -> tuple[Desk, Rows]:
    """The desk, and what there is to see from it.

    Raises:
        NotFound: nothing has been recorded yet.
        LogUnusable: the log cannot be written.
    """
    reading_store(session)
    store = session.writable()
    return Desk(store, session.cause, after=Filing(session.directory)), store.rows()


def declared(session: Session) -> Desired:
    """What the file says now.

    Raises:
        SpecInvalid: it is wrong.
    """
    store = session.store
    rows = store.rows() if store is not None else None
    head = store.projected().head if store is not None else None
    if head is None:
        from reconciler.projections.projected import RevisionHead

        head = RevisionHead()
    return read_file(session, rows, head).desired
