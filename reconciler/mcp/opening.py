"""Opening a seat: who the agent is, on the project's own log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.control.checkpoints.filing import Filing
from reconciler.control.coordination import specialist_of
from reconciler.control.desk.desk import Desk
from reconciler.control.worker.alone import Alone
from reconciler.ids import new_id
from reconciler.mcp.presence import Presence
from reconciler.mcp.seat import Seat
from reconciler.work.refusals import InputRefused

if TYPE_CHECKING:
    from reconciler.control.session import Session

POOL = "mcp"


@contextmanager
def open_seat(
    session: Session, *, name: str = "", capabilities: Sequence[str] = (), specialist: str = ""
) -> Iterator[tuple[Seat, Presence | None]]:
    """A seat, and the presence of who sits on it.

    Args:
        name: under which the agent joins, as the same one after a restart; one of its own when empty.
        specialist: one that is there already, whose server only adds tools: it neither registers nor leaves.

    Raises:
        NotFound: there is no such specialist.
        InputRefused: a name with other characters than letters, digits, dots, dashes and underscores.
        LeaseHeld: another process has joined under this name.
        LogUnusable: the log cannot be written.
    """
    store = session.writable()
    filing = Filing(session.directory)
    if specialist:
        who = specialist_of(store.rows(), specialist)
        called = str((store.rows().get("specialists", who) or {})["name"])
        desk = Desk(store, replace(session.cause, actor=called), after=filing)
        yield Seat(store, desk, session.directory, specialist_id=who, name=called), None
        return
    who, called = _identity(name, session.cause.actor)
    desk = Desk(store, replace(session.cause, actor=called), after=filing)
    seat = Seat(store, desk, session.directory, specialist_id=who, name=called)
    with ExitStack() as stack:
        stack.enter_context(Alone(store.path.parent, who))
        seat.join(capabilities, {"harness": POOL})
        yield seat, stack.enter_context(Presence(seat))


def _identity(name: str, actor: str) -> tuple[str, str]:
    """Id and name: the same after every restart where a name was given, else of this time only."""
    if not name:
        own = new_id("spec")
        return own, f"{actor}-{own[-6:]}"
    if not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
        raise InputRefused(f"{name!r} is no name for a specialist", hint="letters, digits, dots, dashes, underscores")
    # Set apart from the replicas of declared specialists, whose ids begin with the name of their pool.
    return f"spec_{POOL}.{name}", name
