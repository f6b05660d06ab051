"""Revisions of the file, what they changed, and the history of applies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Reading
from reconciler.api.documented import At, answers
from reconciler.api.paging import Paging, Row, page_of
from reconciler.api.things import equal
from reconciler.client.documents import Revision
from reconciler.client.fleet_documents import Comparison, HistoryEntry
from reconciler.control.documents import comparison_document, entry_document
from reconciler.errors import NotFound
from reconciler.ops.history import history
from reconciler.ops.revisions import compare_revisions
from reconciler.projections.fleet import revision_key
from reconciler.projections.rows import Rows

router = APIRouter(prefix="/api/v1", tags=["fleet"])

Number = Annotated[int, Path(ge=1, le=2**31)]


@router.get("/revisions", responses=answers(revisions=list[Revision], refused=(404,)))
async def list_revisions(
    access: Reading,
    paging: Paging,
    at: At = None,
    status: Annotated[Literal["accepted", "rejected", "reverted"] | None, Query()] = None,
) -> Response:
    """Revisions of the file, newest first, a page at a time."""

    def look(rows: Rows) -> Response:
        holding = shown.holding_revision(rows)
        page = page_of(
            rows.scan("revisions"),
            paging,
            sorts={"revision": lambda row: row["revision"], "at": lambda row: row["at"]},
            default="-revision",
            where=lambda row: equal(row, status=status),
        )
        return access.answer(page.document("revisions", lambda row: shown.revision(row, holding)))

    return await access.read(look, at=at)


@router.get("/revisions/{number}", responses=answers(revision=Revision, refused=(404,)))
async def get_revision(access: Reading, number: Number, at: At = None) -> Response:
    """One revision."""

    def look(rows: Rows) -> Response:
        row = rows.get("revisions", revision_key(number))
        if row is None:
            raise NotFound(f"there is no revision {number}")
        return access.answer({"revision": shown.revision(row, shown.holding_revision(rows))})

    return await access.read(look, at=at)


@router.get("/revisions/{number}/changes", responses=answers(whole=Comparison, refused=(404,)))
async def get_changes(
    access: Reading,
    number: Number,
    since: Annotated[int | None, Query(ge=1, le=2**31, description="Another revision than the one before.")] = None,
) -> Response:
    """What a revision changed in meaning, against the one before or another."""
    found = await access.read(lambda rows: compare_revisions(rows, since, number))
    return access.answer(comparison_document(found))


@router.get("/history", responses=answers(history=list[HistoryEntry], refused=(404,)))
async def get_history(access: Reading, paging: Paging, at: At = None) -> Response:
    """Revisions and applies, newest first, a page at a time."""
    writing = at is not None or access.service.store.lease_holder() is not None

    def look(rows: Rows) -> Response:
        entries = history(rows, writing=writing)
        numbered: list[tuple[str, Row]] = [
            (f"{number:010d}", {"number": number, "entry": entry}) for number, entry in enumerate(reversed(entries))
        ]
        page = page_of(numbered, paging, sorts={"at": _number}, default="-at")
        return access.answer(page.document("history", lambda row: entry_document(row["entry"])))

    return await access.read(look, at=at)


def _number(row: Row) -> Any:
    return row["number"]
