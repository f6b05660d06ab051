"""What a turn means for the commit that it looked at."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import pytest

from reconciler.control.freeze import Frozen
from reconciler.control.gitops.tally import Tally
from reconciler.control.look import Look
from reconciler.control.reading import Reading
from reconciler.plan.diff import diff
from reconciler.plan.model import Notice
from reconciler.projections.projected import Projected
from reconciler.runtime.model import Observed
from reconciler.spec.desired import Desired, FreezeWindow


class Heard:
    """A teller that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.told.append(what)

    def looked(self, seen: Look) -> None:
        self.told.append("looked")

    def reporter(self, seen: Look) -> Any:
        return self


@pytest.fixture
def seen() -> Look:
    desired = Desired(name="x", project="abc")
    reading = Reading(desired, {}, "digest", changed=False, inputs={})
    return Look(desired, Projected(), diff(desired, Projected()), Observed(()), (), (), reading)


@pytest.fixture
def tally() -> Tally:
    return Tally(Heard())


def test_a_turn_that_saw_nothing_says_what_the_matter_was(tally: Tally) -> None:
    assert tally.verdict(waiting=False, state="success") is None
    tally.tell("error", "what runs is unknown")
    assert tally.verdict(waiting=False, state="success") == ("pending", "what runs is unknown")


def test_nothing_to_do_is_a_success(tally: Tally, seen: Look) -> None:
    tally.looked(seen)
    assert tally.verdict(waiting=False, state="pending") == ("success", "revision 0 is in force")


def test_an_apply_counts(tally: Tally, seen: Look) -> None:
    seen = changed(seen, reading=changed(seen.reading, changed=True))
    tally.looked(seen)
    assert tally.verdict(waiting=False, state="pending") is None
    assert tally.revision(seen) == 0
    tally.tell("info", "apply succeeded", done=1, failed=0, skipped=0)
    assert tally.verdict(waiting=False, state="pending") == ("success", "revision 1 is in force")
    tally.begin()
    tally.looked(seen)
    tally.tell("error", "apply failed", done=0, failed=1, skipped=0)
    assert tally.verdict(waiting=False, state="pending") == ("failure", "not everything could be done")
    tally.tell("error", "start service/web/1: no such image")
    assert tally.verdict(waiting=False, state="pending") == ("failure", "start service/web/1: no such image")


def test_what_waits_is_pending(tally: Tally, seen: Look) -> None:
    tally.looked(seen)
    verdict = tally.verdict(waiting=True, state="pending")
    assert verdict is not None
    assert "waits for" in verdict[1]


def test_in_a_freeze_window_what_is_new_waits_and_what_held_holds(tally: Tally, seen: Look) -> None:
    tally.looked(changed(seen, frozen=Frozen(FreezeWindow(start="0 0 * * *", duration_ms=1), 60_000)))
    verdict = tally.verdict(waiting=False, state="pending")
    assert verdict is not None
    assert verdict[0] == "pending"
    assert "frozen until" in verdict[1]
    held = tally.verdict(waiting=False, state="success")
    assert held is not None
    assert held[0] == "success"


def test_what_was_rolled_back_is_no_success(tally: Tally, seen: Look) -> None:
    tally.looked(changed(seen, reading=changed(seen.reading, notices=(Notice("fleet", "was rolled back"),))))
    assert tally.verdict(waiting=False, state="pending") == ("failure", "was rolled back")


def test_everything_is_passed_on(seen: Look) -> None:
    heard = Heard()
    tally = Tally(heard)
    tally.tell("warning", "careful")
    tally.looked(seen)
    assert tally.reporter(seen) is heard  # type: ignore[comparison-overlap]
    assert heard.told == ["careful", "looked"]
