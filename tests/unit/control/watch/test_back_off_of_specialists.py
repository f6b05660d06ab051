"""The back-off of specialists whose processes keep ending, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

from reconciler.control.watch import crew
from reconciler.projections.pools import ProjectedPool, ProjectedProcess
from reconciler.projections.projected import Projected, ProjectedBackoff
from reconciler.spec.desired import Desired, Restart, SpecialistSpec
from tests.support.crews import told

NOW = 1_795_521_600_000
MINUTE = 60_000
ENDED = NOW - 1_000
ALWAYS = Restart()
CAUSE = "0190c2a0000070008000000000000001"


def process(**more: Any) -> ProjectedProcess:
    values: dict[str, Any] = {"state": "exited", "external": True, "started_at": ENDED - MINUTE, "changed_at": ENDED}
    return ProjectedProcess("builder", 1, "evt_1", 1, "v1:a", cause_event=CAUSE, **{**values, **more})


def decide(
    *processes: ProjectedProcess, backoff: ProjectedBackoff | None = None, restart: Restart = ALWAYS, **pool: Any
) -> list[str]:
    spec = SpecialistSpec(name="builder", restart=restart)
    known = ProjectedPool("builder", {"name": "builder"}, "v1:a", processes=processes, **pool)
    backoffs = {"specialist/builder/1": backoff} if backoff is not None else {}
    desired = Desired(name="shop", project="p", specialists={"builder": spec, "new": SpecialistSpec(name="new")})
    projected = Projected(pools={"builder": known}, backoffs=backoffs)
    return told(crew.decide(desired, projected, now_ms=NOW, jitter=lambda: 0.5))


def after(failures: int, *, began: int = ENDED - MINUTE, **more: Any) -> ProjectedBackoff:
    return ProjectedBackoff(failures, 0, began, since=began, **more)


def test_the_first_failure_costs_no_wait_and_later_ones_more_each_time() -> None:
    assert decide(process()) == [f"specialist_backoff_started builder/1 delay_ms=0 failures=1 until={ENDED}"]
    for failures, seconds in ((1, 10), (2, 20), (9, 300)):
        (line,) = decide(process(), backoff=after(failures))
        until = ENDED + seconds * 1_000
        assert line == (
            f"specialist_backoff_started builder/1 delay_ms={seconds * 1000} failures={failures + 1} until={until}"
        )


def test_a_failure_is_counted_once() -> None:
    assert decide(process(), backoff=after(2, began=ENDED)) == []
    assert decide(process(), backoff=ProjectedBackoff(2, abandoned=True)) == []
    # The clock was put back: only the very failure that was counted is known.
    assert decide(process(), backoff=after(2, began=NOW + 2 * MINUTE)) != []
    late = process(changed_at=NOW + 2 * MINUTE)
    assert decide(late, backoff=after(2, began=NOW + 2 * MINUTE)) == []


def test_a_long_run_before_it_ends_the_row() -> None:
    (line,) = decide(process(started_at=ENDED - 11 * MINUTE), backoff=after(5))
    assert "failures=1" in line


def test_running_long_enough_forgets() -> None:
    runs = process(state="running", external=False, started_at=NOW - 10 * MINUTE)
    assert decide(runs, backoff=after(5)) == ["specialist_backoff_reset builder/1"]
    assert decide(runs) == []
    assert decide(process(state="running", started_at=NOW - MINUTE), backoff=after(5)) == []


def test_what_did_not_help_is_given_up() -> None:
    few = Restart(max_attempts=2)
    (line,) = decide(process(exit_code=3), backoff=after(2), restart=few)
    assert line == (
        "specialist_restart_abandoned builder/1 failures=3 why=it ended with exit code 3; 2 restarts did not help"
    )
    (line,) = decide(process(), backoff=after(2), restart=few)
    assert "why=it ended; 2 restarts did not help" in line


def test_what_is_no_failure() -> None:
    assert decide(process(external=False)) == []
    assert decide(process(exit_code=0), restart=Restart(policy="on-failure")) == []
    assert decide(process(exit_code=1), restart=Restart(policy="no")) == []
    assert decide(process(), wanted="down") == []
    assert decide(process(), process(state="running", external=False, started_at=NOW)) == []


def test_the_time_of_one_that_finishes_is_worth_a_look() -> None:
    def due(*processes: ProjectedProcess) -> int | None:
        pool = ProjectedPool("builder", {}, "v1:a", processes=processes)
        return crew.next_due_ms(Projected(pools={"builder": pool}), now_ms=NOW)

    assert (
        due(process(state="running", drains_until=NOW + 5), process(state="running", drains_until=NOW + 3)) == NOW + 3
    )
    assert (
        due(process(state="running", drains_until=NOW - 5), process(state="running"), process(drains_until=NOW + 1))
        is None
    )
