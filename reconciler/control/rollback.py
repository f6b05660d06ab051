"""Rolling back: an event that takes the revision which holds back in favour of an earlier one.

The file is left as it is. While it still says what was taken back, nobody takes that up again, neither an apply nor the
loop: only when it really changes does it count again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from reconciler.errors import FleetError, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import CreateContainer, ReplaceContainer
from reconciler.projections.fleet import revision_key
from reconciler.spec.desired import desired_from_document

if TYPE_CHECKING:
    from reconciler.control.look import Look
    from reconciler.control.session import Session
    from reconciler.projections.rows import Row, Rows


def reverting(session: Session, to: int = 0, *, why: str = "") -> NewEvent:
    """The wish that the revision which holds be taken back; to be given to a look and to the cycle as a request.

    Args:
        to: the revision to go back to; 0 for the one that held before.

    Raises:
        NotFound: there is no such revision, it was rejected, or it holds already.
    """
    store = session.store
    head = store.projected().head if store is not None else None
    if store is None or head is None or not head.revision:
        raise NotFound("no revision has been accepted yet, so there is none to go back to", hint="fleet apply")
    rows = store.rows()
    target = _target(rows, head.revision, to)
    try:
        name = desired_from_document(target["document"]).name
    except msgspec.ValidationError as error:
        raise NotFound(
            f"revision {target['revision']} was recorded by another release and cannot be read: {error}"
        ) from None
    data = {"revision": head.revision, "to_revision": target["revision"], **({"why": why} if why else {})}
    return NewEvent("revision_reverted", "fleet", name, data)


def _target(rows: Rows, holding: int, to: int) -> Row:
    if to == holding:
        raise NotFound(f"revision {to} holds already", hint="fleet history lists them")
    if not to:
        for number in range(holding - 1, 0, -1):
            row = rows.get("revisions", revision_key(number))
            if row is not None and row["status"] == "accepted":
                return row
        raise NotFound(f"there is no earlier revision than {holding} to go back to", hint="fleet history lists them")
    row = rows.get("revisions", revision_key(to))
    if row is None:
        raise NotFound(f"there is no revision {to}", hint="fleet history lists them")
    if row["document"] is None:
        raise NotFound(f"revision {to} was rejected: nothing can be made of it", hint="fleet history lists them")
    return row


def must_be_possible(look: Look) -> None:
    """Refuse to go back to what cannot be made any more: the log has digests of config files, not their content.

    Raises:
        FleetError: names every file that is not as it was.
    """
    gone = list(_gone(look))
    if gone:
        raise FleetError(
            f"that revision cannot be made any more: {'; '.join(gone)}",
            hint="put the files back as they were (git checkout), then roll back again",
        )


def _gone(look: Look) -> Iterator[str]:
    from reconciler.apply.orders import file_bytes

    made = {one.service for one in look.plan.actions if isinstance(one, CreateContainer | ReplaceContainer)}
    for name in sorted(made):
        for file in look.desired.services[name].configs:
            try:
                file_bytes(file)
            except FleetError as error:
                yield str(error)
