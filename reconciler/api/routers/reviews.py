"""Reviews of what attempts have made."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging
from reconciler.api.requests import AbandonReview, CompleteReview, StartReview
from reconciler.api.things import Things, equal
from reconciler.client.documents import Review
from reconciler.control.desk import reading, sorties
from reconciler.control.desk.desk import Work
from reconciler.control.worker import handing_in
from reconciler.work.refusals import NotAssigned

router = APIRouter(prefix="/api/v1/reviews", tags=["reviews"])

THINGS = Things("reviews", "review", "reviews", shown.review, ("started_at", "completed_at", "status", "verdict"))
_STEP = answers(review=Review, refused=(404, 409), versioned=True)


@router.post("", status_code=201, responses=answers(review=Review, status=201, refused=(404, 409)))
async def start_review(access: Working, body: StartReview) -> Response:
    """Begin a review of a sortie that waits for one."""
    access.caller.acts_as(body.reviewer_id)
    command = sorties.review(body.sortie_id, body.reviewer_id, kind=body.review_type)
    return THINGS.show(access, await access.write(command), 201)


@router.get("", responses=answers(reviews=list[Review], refused=(404,)))
async def list_reviews(
    access: Reading,
    paging: Paging,
    at: At = None,
    sortie_id: Annotated[str | None, Query()] = None,
    reviewer_id: Annotated[str | None, Query()] = None,
    status: Annotated[Literal["started", "completed", "abandoned"] | None, Query()] = None,
) -> Response:
    """Reviews, a page at a time."""
    return await THINGS.page(
        access, paging, at, lambda row: equal(row, sortie_id=sortie_id, reviewer_id=reviewer_id, status=status)
    )


@router.get("/{review_id}", responses=answers(review=Review, refused=(404,), versioned=True))
async def get_review(access: Reading, review_id: Key, at: At = None) -> Response:
    """One review."""
    return await THINGS.show_at(access, review_id, at)


@router.post("/{review_id}/complete", responses=_STEP)
async def complete_review(access: Working, review_id: Key, body: CompleteReview) -> Response:
    """Give the verdict, which moves the sortie."""
    access.caller.acts_as(body.reviewer_id)
    command = handing_in.conclude_review(
        review_id,
        body.reviewer_id,
        body.verdict,
        feedback=body.feedback,
        issues=[one.model_dump(exclude_none=True) for one in body.issues],
        cost=shown.cost(body.cost),
    )
    await access.write(command)
    return THINGS.show(access, review_id)


@router.post("/{review_id}/abandon", responses=_STEP)
async def abandon_review(access: Working, review_id: Key, body: AbandonReview) -> Response:
    """Let go of a review without a verdict, so that somebody else can begin one."""
    access.caller.acts_as(body.reviewer_id)

    def command(work: Work) -> None:
        found = reading.review(work.rows, review_id)
        if found.reviewer_id != body.reviewer_id:
            raise NotAssigned(f"review {review_id} is {found.reviewer_id}'s, not {body.reviewer_id}'s")
        abandon = handing_in.abandon_review(
            review_id, body.reviewer_id, found.sortie_id, reason=body.reason, cost=shown.cost(body.cost)
        )
        abandon(work)

    await access.write(command)
    return THINGS.show(access, review_id)
