"""The log as it is kept: how far it goes, and the rows that follow from it, for `fleet --remote`.

Rows have no promised form: they are what this release keeps.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from reconciler.api.access import Access, Reading
from reconciler.api.documented import answers
from reconciler.api.refusals import InputUnclear
from reconciler.client.log_documents import Head, KeyedRow, Survey, TableRows
from reconciler.control.session import Session
from reconciler.control.survey import survey
from reconciler.events.moment import Moment
from reconciler.projections.rows import Rows
from reconciler.spec.desired import to_document

router = APIRouter(prefix="/api/v1/log", tags=["log"])

Sequence = Annotated[int | None, Query(ge=0, le=2**62, description="As they were when the log ended with this event.")]
Table = Annotated[str, Path(pattern="^[a-z_]{1,60}$")]


@router.get("", responses=answers(whole=Head))
async def get_head(access: Reading) -> Response:
    """How far the log goes, whose it is, and who writes."""
    service = access.service
    with service.session() as session:
        where = {name: str(getattr(session, name)) for name in ("project", "directory", "file", "database")}
    lease = service.store.lease_holder()
    return access.answer({"sequence_number": service.store.head(), **where, "lease": lease})


@router.get("/moment", responses=answers(sequence_number=int, refused=(404,)))
async def get_moment(
    access: Reading,
    sequence: Sequence = None,
    time_ms: Annotated[int | None, Query(ge=0, le=2**62, description="Unix ms.")] = None,
) -> Response:
    """The sequence number that the log ended with at a moment: one of the two that it may be named by."""
    if (sequence is None) == (time_ms is None):
        raise InputUnclear("name the moment by one of `sequence` and `time_ms`")
    store = access.service.store
    found = await access.service.in_thread(lambda: store.sequence_at(Moment(sequence, time_ms)))
    return access.answer({"sequence_number": found})


@router.get("/rows/{table}", responses=answers(whole=TableRows, refused=(404,)))
async def get_rows(access: Reading, table: Table, sequence: Sequence = None) -> Response:
    """All rows of a projection."""
    rows, head = await _rows(access, sequence, lambda rows: dict(rows.scan(table)))
    return access.answer({"sequence_number": head, "rows": rows})


@router.get("/row/{table}", responses=answers(whole=KeyedRow, refused=(404,)))
async def get_row(
    access: Reading, table: Table, key: Annotated[str, Query(max_length=500)], sequence: Sequence = None
) -> Response:
    """One row of a projection; `row` is null where there is none."""
    row, head = await _rows(access, sequence, lambda rows: rows.get(table, key))
    return access.answer({"sequence_number": head, "row": row})


@router.get("/survey", responses=answers(whole=Survey, refused=(404,)))
async def get_survey(access: Reading) -> Response:
    """The file, the log and the world, as far as each can be read here."""

    def ask(session: Session) -> dict[str, Any]:
        found = survey(session)
        return {
            "sequence_number": found.projected.sequence,
            "desired": to_document(found.desired) if found.desired is not None else None,
            "observed": msgspec.to_builtins(found.observed) if found.observed is not None else None,
            "processes": msgspec.to_builtins(found.processes) if found.processes is not None else None,
            "revision": found.revision,
            "warnings": list(found.warnings),
            "unusable": found.unusable,
        }

    def run() -> dict[str, Any]:
        with access.service.session() as session:
            return ask(session)

    return access.answer(await access.service.in_thread(run, long=True))


async def _rows(access: Access, sequence: int | None, look: Any) -> tuple[Any, int]:
    store = access.service.store
    if sequence is None:
        return cast("tuple[Any, int]", await access.read(lambda rows: (look(rows), store.head())))

    def ask(rows: Rows) -> tuple[Any, int]:
        return look(rows), sequence

    return await access.read(ask, at=str(sequence))
