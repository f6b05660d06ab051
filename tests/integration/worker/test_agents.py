"""The three agents' harnesses, driven with stand-ins that speak their formats, faults included."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.worker.artifacts import log_file
from reconciler.control.worker.loop import WorkerOptions
from reconciler.spec.desired import Budget, Harness, Review
from tests.integration.worker.conftest import Fleet, Told, sortie
from tests.support.stand_ins import with_stand_ins

AGENTS = ("claude-code", "codex", "opencode")


def work(fleet: Fleet, kind: Any, fault: str = "", pool: str = "builder", **more: Any) -> tuple[Told, Path]:
    calls = fleet.folder.parent / "calls"
    harness = Harness(kind=kind, model="m/1", permissions=more.pop("permissions", ""), tools=more.pop("tools", ()))
    told = fleet.work(pool, harness=harness, environment=with_stand_ins({}, calls, fault), **more)
    return told, calls


@pytest.mark.parametrize(
    ("kind", "tokens", "cost"), [("claude-code", 330, 0.25), ("codex", 650, 0.0), ("opencode", 270, 0.04)]
)
def test_an_agent_does_a_sortie(fleet: Fleet, kind: str, tokens: int, cost: float) -> None:
    ids = fleet.start(
        design=sortie(run="echo use sqlite"),
        a=sortie(prompt="Use {{ sorties.design.summary }}.", depends_on=("design",)),
    )
    _, calls = work(fleet, kind)
    row = fleet.sortie(ids["a"])
    assert row["result"]["summary"] == "Added login."
    assert row["result"]["metrics"]["files_modified"] == ["src/auth.py"]
    call = json.loads(calls.read_text())
    assert call["stdin"].startswith('Use "use sqlite".')
    assert call["environment"]["FLEET_SORTIE_NAME"] == "a"
    used = fleet.store.rows().get("usage", "spec_builder_1")
    assert used is not None
    assert (used["tokens"], round(used["cost_usd"], 2)) == (tokens, cost)


@pytest.mark.parametrize(
    ("kind", "verdict", "feedback"),
    [
        ("claude-code", "needs_changes", "test the error"),
        ("codex", "approved", "fine"),
        ("opencode", "rejected", "wrong file"),
    ],
)
def test_an_agent_reviews(fleet: Fleet, kind: str, verdict: str, feedback: str) -> None:
    fleet.start(a=sortie(run="true", review=Review(kind="security", by="reviewer", prompt="Look closely.")))
    fleet.work(options=WorkerOptions(once=True))
    _, calls = work(fleet, kind, pool="reviewer", options=WorkerOptions(once=True))
    (event,) = fleet.events("review_completed")
    assert (event.data["verdict"], event.data["feedback"]) == (verdict, feedback)
    assert "Look closely." in json.loads(calls.read_text())["stdin"]


@pytest.mark.parametrize(("kind", "seconds"), [("claude-code", 7), ("codex", 120), ("opencode", 9)])
def test_a_rate_limit_costs_no_attempt_and_is_waited_for(fleet: Fleet, kind: str, seconds: int) -> None:
    ids = fleet.start(a=sortie(prompt="Do it.", retry_delay_ms=1))
    before = time.time_ns() // 1_000_000
    work(fleet, kind, "throttled", options=WorkerOptions(once=True))
    row = fleet.sortie(ids["a"])
    assert (row["status"], row["attempt_base"]) == ("pending", 1)
    assert row["not_before"] >= before + seconds * 1000
    (failed,) = fleet.events("sortie_attempt_failed")
    assert failed.data["cause"] == "rate_limit"


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize(
    ("fault", "cause", "error"),
    [
        ("cut", "error", "the agent's output ended before its last word"),
        ("killed", "crash", "it was killed (signal 9)"),
        ("hang", "timeout", "it was ended after 400ms"),
    ],
)
def test_faults_of_an_agent_fail_the_attempt(fleet: Fleet, kind: str, fault: str, cause: str, error: str) -> None:
    ids = fleet.start(a=sortie(prompt="Do it.", timeout_ms=400 if fault == "hang" else 0))
    work(fleet, kind, fault)
    row = fleet.sortie(ids["a"])
    assert row["status"] == "failed"
    assert row["last_error"].startswith(error)
    (failed,) = fleet.events("sortie_attempt_failed")
    assert failed.data["cause"] == cause


@pytest.mark.parametrize("kind", AGENTS)
def test_ten_megabytes_of_noise_do_not_hide_the_result(fleet: Fleet, kind: str) -> None:
    ids = fleet.start(a=sortie(prompt="Do it."))
    work(fleet, kind, "huge")
    assert fleet.sortie(ids["a"])["result"]["summary"] == "Added login."
    assert log_file(fleet.data, ids["a"], 1).stat().st_size < 3_000_000


def test_a_budget_that_is_hit_midway_ends_the_agent(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(prompt="Do it."), b=sortie(prompt="And this."))
    told, _ = work(fleet, "claude-code", "costly", budget=Budget(tokens=5_000))
    assert sorted(fleet.sortie(ids[name])["status"] for name in "ab") == ["failed", "pending"]
    (failed,) = fleet.events("sortie_attempt_failed")
    assert failed.data["cause"] == "budget"
    assert "it was ended within its work" in failed.data["error"]
    assert told.words().count("budget") == 1
    used = fleet.store.rows().get("usage", "spec_builder_1")
    assert used is not None
    assert used["tokens"] >= 5_000


def test_an_agent_is_told_what_it_may_spend(fleet: Fleet) -> None:
    fleet.start(a=sortie(prompt="Do it."))
    _, calls = work(
        fleet, "claude-code", "budget", budget=Budget(cost_usd=0.5), permissions="acceptEdits", tools=("Read", "Edit")
    )
    words = " ".join(json.loads(calls.read_text())["argv"])
    assert "--permission-mode acceptEdits --allowedTools Read,Edit --max-budget-usd 0.50" in words
    (failed,) = fleet.events("sortie_attempt_failed")
    assert (failed.data["cause"], failed.data["error"]) == ("budget", "Reached maximum budget ($0.50)")


def test_a_command_of_ones_own_answers_in_json(fleet: Fleet) -> None:
    script = fleet.folder / "agent.sh"
    script.write_text(
        'read -r job; echo "{\\"progress\\": 50, \\"message\\": \\"$1\\"}"; echo "{\\"summary\\": \\"${#job} bytes\\"}"\n'
    )
    ids = fleet.start(a=sortie(title="Do $(touch pwned)", prompt="x"))
    fleet.work(harness=Harness(kind="command", command=("sh", str(script), "{{ title }}")))
    assert fleet.sortie(ids["a"])["result"]["summary"].endswith(" bytes")
    assert fleet.events("sortie_progress")[0].data["status_message"] == "Do $(touch pwned)"
    assert not (fleet.folder / "pwned").exists()
