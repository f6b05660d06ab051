"""Budgets: limits on what a specialist may use, looked at before each start and while its harness reports.

Sorties are counted over the last hour, so that limit frees itself; wall time, tokens and cost add up until the budget
is opened again by hand or raised in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.events.envelope import NewEvent
from reconciler.spec.desired import Budget
from reconciler.units import format_duration
from reconciler.work.refusals import BudgetSpent
from reconciler.work.state import Usage, iso

HOUR_MS = 3_600_000
BudgetName = Literal["sorties_per_hour", "wall_time_ms", "tokens", "cost_usd"]


@dataclass(frozen=True, slots=True)
class Spent:
    """One limit that is used up; `free_at` is when it frees itself (Unix ms), None when it does not."""

    budget: BudgetName
    limit: float
    used: float
    free_at: int | None = None

    @property
    def text(self) -> str:
        """The limit in a sentence's part."""
        if self.budget == "sorties_per_hour":
            return f"{self.used:g} of {self.limit:g} sorties were started within the hour"
        if self.budget == "wall_time_ms":
            return f"{format_duration(int(self.used))} of {format_duration(int(self.limit))} of work are used"
        if self.budget == "cost_usd":
            return f"${self.used:.2f} of ${self.limit:.2f} are spent"
        return f"{self.used:g} of {self.limit:g} tokens are used"


def spent(budget: Budget, usage: Usage, now_ms: int) -> Spent | None:
    """The first limit that is used up; None when a sortie may start."""
    if budget.sorties_per_hour:
        recent = [start for start in usage.starts if start > now_ms - HOUR_MS]
        if len(recent) >= budget.sorties_per_hour:
            free_at = sorted(recent)[len(recent) - budget.sorties_per_hour] + HOUR_MS
            return Spent("sorties_per_hour", budget.sorties_per_hour, len(recent), free_at)
    if budget.wall_time_ms and usage.wall_ms >= budget.wall_time_ms:
        return Spent("wall_time_ms", budget.wall_time_ms, usage.wall_ms)
    if budget.tokens and usage.tokens >= budget.tokens:
        return Spent("tokens", budget.tokens, usage.tokens)
    if budget.cost_usd and usage.cost_usd >= budget.cost_usd:
        return Spent("cost_usd", budget.cost_usd, usage.cost_usd)
    return None


def check(specialist_id: str, budget: Budget, usage: Usage, now_ms: int) -> None:
    """Whether the specialist may start another sortie.

    Raises:
        BudgetSpent: a limit is used up; carries `budget_exhausted`.
    """
    found = spent(budget, usage, now_ms)
    if found is not None:
        raise BudgetSpent(
            f"specialist {specialist_id} has used up its budget: {found.text}",
            hint=f"it frees itself at {iso(found.free_at)}" if found.free_at else "raise budget: in fleet.yaml",
            record=[exhausted_event(specialist_id, found, now_ms)],
        )


def exhausted_event(specialist_id: str, found: Spent, now_ms: int) -> NewEvent:
    """That a limit is used up, as an event."""
    data = {
        "specialist_id": specialist_id,
        "budget": found.budget,
        "limit": float(found.limit),
        "used": float(found.used),
    }
    if found.free_at is not None:
        data["free_at"] = found.free_at
    return NewEvent("budget_exhausted", "specialist", specialist_id, data, occurred_at=now_ms)


def used_event(
    specialist_id: str, sortie_id: str, *, now_ms: int, wall_ms: int, tokens: int, cost_usd: float
) -> NewEvent:
    """What one attempt has used, as its harness reported it."""
    return NewEvent(
        "budget_used",
        "specialist",
        specialist_id,
        {
            "specialist_id": specialist_id,
            "sortie_id": sortie_id,
            "wall_ms": max(wall_ms, 0),
            "tokens": max(tokens, 0),
            "cost_usd": max(float(cost_usd), 0.0),
        },
        occurred_at=now_ms,
    )


def reset(specialist_id: str, *, by: str, now_ms: int) -> list[NewEvent]:
    """Open a budget again: what was used until now no longer counts."""
    data = {"specialist_id": specialist_id, "reset_by": by}
    return [NewEvent("budget_reset", "specialist", specialist_id, data, occurred_at=now_ms)]


def remaining_usd(budget: Budget, usage: Usage) -> float:
    """What a single attempt may still cost; 0 where there is no limit."""
    return max(budget.cost_usd - usage.cost_usd, 0.01) if budget.cost_usd else 0.0


def remaining_ms(budget: Budget, usage: Usage) -> int:
    """How long a single attempt may still run, in milliseconds; 0 where there is no limit."""
    return max(budget.wall_time_ms - usage.wall_ms, 1) if budget.wall_time_ms else 0
