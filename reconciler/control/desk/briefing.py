"""What a specialist is told about what it claimed: the job itself, and what earlier sorties have made, as data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from reconciler.control.desk import reading
from reconciler.control.desk.claiming import Claim
from reconciler.projections.rows import Rows
from reconciler.work import budgets
from reconciler.work.checkpoints import Recovery
from reconciler.work.harness.model import Job
from reconciler.work.state import Sortie, Usage


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do, with everything that whoever does it has to know.

    Attributes:
        attempt: the attempt's number; for a review that of the work.
        lease_expires_at: Unix ms by which the lease has to be renewed; 0 for a review.
        timeout_ms: the longest that the sortie may take; 0 is without end.
        left_ms, left_tokens, left_usd: what its budget still allows; 0 is without limit.
        digests: path of every artifact of earlier sorties to its digest.
    """

    kind: Literal["work", "rework", "review"]
    job: Job
    attempt: int
    lease_expires_at: int = 0
    review_id: str = ""
    timeout_ms: int = 0
    left_ms: int = 0
    left_tokens: int = 0
    left_usd: float = 0.0
    digests: dict[str, str] = {}


def brief(rows: Rows, claim: Claim, specialist_id: str) -> Brief:
    """The brief for a claim."""
    sortie = claim.sortie
    mission = rows.get("missions", sortie.mission_id) if sortie.mission_id else None
    before = _before(rows, sortie)
    reviewing = claim.kind == "review"
    job = Job(
        kind=claim.kind,
        sortie_id=sortie.id,
        name=sortie.plan.name,
        title=sortie.title,
        description=sortie.description,
        mission_id=sortie.mission_id or "",
        mission=(mission or {}).get("title") or "",
        attempt=claim.attempt,
        run=sortie.plan.review_run if reviewing else sortie.plan.run,
        prompt=sortie.plan.review_prompt if reviewing else sortie.plan.prompt,
        files=sortie.plan.files,
        feedback="" if reviewing else sortie.feedback,
        review_kind=sortie.plan.review_kind or "general",
        reported=dict(sortie.reported or {}) if reviewing else None,
        inputs={one.plan.name or one.id: _result(one) for one in before},
        context="" if reviewing else _recovery(rows, sortie),
    )
    limits = reading.budget(reading.specialist(rows, specialist_id))
    used = Usage.from_row(rows.get("usage", specialist_id))
    return Brief(
        kind=claim.kind,
        job=job,
        attempt=claim.attempt,
        lease_expires_at=claim.lease_expires_at,
        review_id=claim.review_id,
        timeout_ms=sortie.plan.timeout_ms,
        left_ms=budgets.remaining_ms(limits, used) if limits else 0,
        left_tokens=max(limits.tokens - used.tokens, 1) if limits and limits.tokens else 0,
        left_usd=budgets.remaining_usd(limits, used) if limits else 0.0,
        digests=_digests(rows, before),
    )


def _recovery(rows: Rows, sortie: Sortie) -> str:
    """What is known of this sortie's interrupted work, as text; empty unless it was taken up again from a checkpoint."""
    found: dict[str, Any] = {}
    for _, row in rows.scan("checkpoints"):
        taken_up = row["consumed_at"] and sortie.id in row["active_sorties"]
        if taken_up and row["consumed_at"] >= found.get("consumed_at", 0):
            found = row
    return Recovery.from_document(found["recovery"] or {}).to_prompt() if found else ""


def _before(rows: Rows, sortie: Sortie) -> list[Sortie]:
    """Everything that comes before a sortie, near or far, by name."""
    found: dict[str, Sortie] = {}
    todo = list(sortie.plan.depends_on)
    while todo:
        key = todo.pop()
        row = rows.get("sorties", key) if key not in found else None
        if row is not None:
            found[key] = Sortie.from_row(row)
            todo += found[key].plan.depends_on
    return sorted(found.values(), key=lambda one: (one.plan.name, one.id))


def _result(sortie: Sortie) -> dict[str, Any]:
    result = dict(sortie.result or {})
    result.setdefault("success", sortie.status == "completed")
    return {"status": sortie.status, **result}


def _digests(rows: Rows, sorties: list[Sortie]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in sorties:
        for path in (one.result or {}).get("artifacts") or ():
            row = rows.get("artifacts", f"{one.id}/{path}")
            if row is not None:
                found[str(path)] = row["digest"]
    return found
