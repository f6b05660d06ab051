"""Budgets: what is used up, in which words, and when it is free again."""

from __future__ import annotations

import pytest

from reconciler.spec.desired import Budget
from reconciler.work import budgets
from reconciler.work.refusals import BudgetSpent
from reconciler.work.state import Usage

from .world import World

NOW = 10 * budgets.HOUR_MS


@pytest.mark.parametrize(
    ("budget", "usage", "text"),
    [
        (Budget(), Usage(starts=(NOW,) * 99, wall_ms=9, tokens=9, cost_usd=9), None),
        (Budget(sorties_per_hour=2), Usage(starts=(NOW - budgets.HOUR_MS, NOW)), None),
        (Budget(sorties_per_hour=2), Usage(starts=(NOW - 5, NOW)), "2 of 2 sorties were started within the hour"),
        (Budget(wall_time_ms=60_000), Usage(wall_ms=61_000), "1m1s of 1m of work are used"),
        (Budget(tokens=1000), Usage(tokens=1000), "1000 of 1000 tokens are used"),
        (Budget(cost_usd=1.5), Usage(cost_usd=1.499), None),
        (Budget(cost_usd=1.5), Usage(cost_usd=1.5), "$1.50 of $1.50 are spent"),
    ],
)
def test_the_first_limit_that_is_used_up(budget: Budget, usage: Usage, text: str | None) -> None:
    found = budgets.spent(budget, usage, NOW)
    assert (found.text if found else None) == text


def test_the_hourly_limit_frees_itself_when_enough_starts_are_old() -> None:
    found = budgets.spent(Budget(sorties_per_hour=2), Usage(starts=(NOW - 30, NOW - 20, NOW - 10)), NOW)
    assert found is not None
    assert found.free_at == NOW - 20 + budgets.HOUR_MS
    assert (
        budgets.spent(Budget(sorties_per_hour=2), Usage(starts=(NOW - 30, NOW - 20, NOW - 10)), found.free_at) is None
    )


def test_a_start_beyond_the_budget_is_refused_and_recorded(world: World) -> None:
    budgets.check("w", Budget(tokens=10), Usage(tokens=9), world.now)
    hourly, total = Budget(sorties_per_hour=1), Budget(tokens=10)
    refusal = world.refused(lambda: budgets.check("w", hourly, Usage(starts=(world.now,)), world.now), BudgetSpent)  # type: ignore[arg-type, func-returns-value]
    assert refusal.hint.startswith("it frees itself at 20")
    refusal = world.refused(lambda: budgets.check("w", total, Usage(tokens=10), world.now), BudgetSpent)  # type: ignore[arg-type, func-returns-value]
    assert refusal.hint == "raise budget: in fleet.yaml"
    assert [event.data["budget"] for event in world.log] == ["sorties_per_hour", "tokens"]


def test_use_adds_up_until_somebody_opens_the_budget_again(world: World) -> None:
    world.register("w")
    for tokens in (300, -5):
        used = budgets.used_event("w", "s", now_ms=world.now, wall_ms=1_000, tokens=tokens, cost_usd=0.5)
        world.append([used])
    usage = world.usage("w")
    assert (usage.wall_ms, usage.tokens, usage.cost_usd) == (2_000, 300, 1.0)
    limits = Budget(cost_usd=1.25, wall_time_ms=5_000)
    assert (budgets.remaining_usd(limits, usage), budgets.remaining_ms(limits, usage)) == (0.25, 3_000)
    assert budgets.remaining_usd(Budget(cost_usd=1), usage) == 0.01
    assert budgets.remaining_ms(Budget(wall_time_ms=1), usage) == 1
    assert budgets.remaining_usd(Budget(), usage) == budgets.remaining_ms(Budget(), usage) == 0
    world.append(budgets.reset("w", by="ada", now_ms=world.now + 1))
    assert (world.usage("w").tokens, world.usage("w").since) == (0, world.now + 1)
