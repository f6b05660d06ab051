"""Workers with a shell on a real log: from the claim to the result, and every way in which that may go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.control.desk import sorties as sortie_commands
from reconciler.control.desk import specialists as specialist_commands
from reconciler.control.worker import loop as loop_module
from reconciler.control.worker.artifacts import artifact_file, log_file
from reconciler.control.worker.loop import Worker, WorkerOptions
from reconciler.spec.desired import Budget, Harness, Review
from tests.integration.worker.conftest import Fleet, sortie

Begin = Callable[[Worker], threading.Thread]
FAST = {"heartbeat_interval_ms": 100, "heartbeat_timeout_ms": 60_000}


def test_two_workers_finish_a_mission_in_the_order_of_its_graph(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(
        design=sortie(run='echo "::progress 40::thinking"; echo "use sqlite"'),
        build=sortie(
            depends_on=("design",),
            files=("out.txt",),
            run='echo "$FLEET_RESULT_DESIGN_SUMMARY" > out.txt; echo "{\\"artifacts\\": [\\"out.txt\\"]}" > "$FLEET_OUTPUT"',
        ),
        docs=sortie(depends_on=("design",), run="cat >/dev/null; echo fine"),
        check=sortie(depends_on=("build", "docs"), run='cat "$FLEET_INPUT"'),
    )
    one, first = fleet.worker(replica=1)
    other, second = fleet.worker(replica=2)
    threads = [in_background(one), in_background(other)]
    for thread in threads:
        thread.join(timeout=60)
    assert fleet.mission_status(ids[""]) == "completed"
    assert one.tally.completed + other.tally.completed == 4
    assert (fleet.folder / "out.txt").read_text() == "use sqlite\n"
    seen = json.loads(fleet.sortie(ids["check"])["result"]["summary"])
    assert set(seen["inputs"]) == {"design", "build", "docs"}
    assert Path(seen["artifacts"]["out.txt"]["file"]).read_text() == "use sqlite\n"
    assert [event.data["progress"] for event in fleet.events("sortie_progress")] == [40]
    started = [event.data["sortie_id"] for event in fleet.events("sortie_started")]
    assert started[0] == ids["design"]
    assert started[-1] == ids["check"]
    assert first.words()[-1] == second.words()[-1] == "left"
    assert {row["status"] for _, row in fleet.store.rows().scan("specialists")} == {"completed"}
    assert {row["status"] for _, row in fleet.store.rows().scan("locks")} == {"released"}


def test_artifacts_are_kept_by_digest_and_what_lies_outside_is_not(fleet: Fleet) -> None:
    (fleet.folder.parent / "secret").write_text("s")
    (fleet.folder / "link").symlink_to(fleet.folder.parent / "secret")
    left = json.dumps({"artifacts": ["a.txt", "./a.txt", "../secret", "link", "none", "."], "metrics": {"n": 1}})
    ids = fleet.start(a=sortie(run=f"echo hi > a.txt; cat > $FLEET_OUTPUT <<'E'\n{left}\nE"))
    fleet.work()
    result = fleet.sortie(ids["a"])["result"]
    assert result["artifacts"] == ["a.txt"]
    assert result["metrics"]["n"] == 1
    assert len(result["metrics"]["artifacts_refused"]) == 4
    (made,) = fleet.events("artifact_recorded")
    assert made.data["size"] == 3
    kept = artifact_file(fleet.data, made.data["digest"])
    assert kept.read_text() == "hi\n"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_failed_attempt_is_tried_again_and_its_output_is_kept(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="echo out; echo \x1b[1mbad >&2; exit 3", retries=1, retry_delay_ms=10))
    told = fleet.work()
    row = fleet.sortie(ids["a"])
    assert (row["status"], row["attempt"], row["last_error"]) == ("failed", 2, "it ended with exit code 3: bad")
    assert told.words().count("failed") == 2
    assert b"bad" in log_file(fleet.data, ids["a"], 2).read_bytes()
    assert fleet.mission_status(ids[""]) == "failed"


def test_what_hangs_is_ended_with_everything_that_it_started(fleet: Fleet, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    ids = fleet.start(a=sortie(run=f"(sleep 600; touch {mark}) & sleep 600", timeout_ms=200))
    fleet.work()
    assert fleet.sortie(ids["a"])["last_error"].startswith("it was ended after 200ms")
    (failed,) = fleet.events("sortie_attempt_failed")
    assert failed.data["cause"] == "timeout"


def test_what_is_left_in_the_background_ends_with_its_command(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="sleep 600 & echo $! > pid; echo done"))
    fleet.work()
    assert fleet.sortie(ids["a"])["result"]["summary"] == "done"
    pid = int((fleet.folder / "pid").read_text())
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "Z (zombie)" in status.read_text()


def test_a_sortie_that_ignores_the_polite_way_is_ended_all_the_same(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.control.worker.process.GRACE_S", 0.2)
    ids = fleet.start(a=sortie(run="trap '' TERM; while :; do sleep 0.05; done", timeout_ms=100))
    fleet.work()
    assert fleet.sortie(ids["a"])["status"] == "failed"


def test_ten_megabytes_of_output_keep_their_head_and_tail(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="echo first; head -c 10000000 /dev/zero | tr '\\0' 'x'; echo; echo last"))
    fleet.work()
    assert fleet.sortie(ids["a"])["result"]["summary"].endswith("last")
    log = log_file(fleet.data, ids["a"], 1).read_bytes()
    assert log.startswith(b"first\n")
    assert log.endswith(b"last\n")
    assert b"bytes left out" in log
    assert len(log) < 3_000_000


def test_a_sortie_that_its_harness_cannot_do_fails_and_says_why(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(prompt="think"), b=sortie(), c=sortie(run="true", assigned_to="other"))
    fleet.work(harness=Harness(), options=WorkerOptions(once=True))
    fleet.work(harness=Harness(), options=WorkerOptions(once=True))
    fleet.work("other", harness=Harness(kind="command", command=("/nonexistent/agent",)))
    assert "cannot follow the prompt" in fleet.sortie(ids["a"])["last_error"]
    assert fleet.sortie(ids["b"])["result"] == {"success": True, "summary": "there is nothing to run"}
    assert "/nonexistent/agent cannot be run" in fleet.sortie(ids["c"])["last_error"]


def test_reviews_send_work_back_until_they_approve_it(fleet: Fleet, in_background: Begin) -> None:
    review = Review(kind="code", by="reviewer", run='test -f good || { echo "make it good"; exit 1; }')
    ids = fleet.start(a=sortie(run='test -z "$FLEET_FEEDBACK" || touch good', review=review))
    worker, _ = fleet.worker()
    in_background(worker)
    told = fleet.work("reviewer")
    assert told.words().count("needs changes") == 1
    assert told.words().count("approved") == 1
    row = fleet.sortie(ids["a"])
    assert (row["status"], row["attempt"]) == ("completed", 2)
    assert [event.data["verdict"] for event in fleet.events("review_completed")] == ["needs_changes", "approved"]


def test_a_review_that_cannot_be_done_is_given_up_and_then_rejects(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(a=sortie(run="true", review=Review(by="reviewer", run="exit 9")))
    worker, _ = fleet.worker()
    in_background(worker)
    fleet.work("reviewer")
    assert fleet.sortie(ids["a"])["status"] == "failed"
    assert len(fleet.events("review_abandoned")) == loop_module.MOST_REVIEW_TRIES - 1
    (verdict,) = fleet.events("review_completed")
    assert verdict.data["feedback"] == "it could not be reviewed: it ended with exit code 9"


def test_a_budget_stops_before_the_next_start_and_says_so(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="true"), b=sortie(run="true"), c=sortie(run="true"))
    told = fleet.work(budget=Budget(sorties_per_hour=2))
    assert sorted(fleet.sortie(ids[name])["status"] for name in "abc") == ["completed", "completed", "pending"]
    assert told.words().count("budget") == 1
    assert [event.data["budget"] for event in fleet.events("budget_exhausted")] == ["sorties_per_hour"]


def test_wall_time_is_used_up_within_the_work(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="sleep 600"))
    fleet.work(budget=Budget(wall_time_ms=150))
    (failed,) = fleet.events("sortie_attempt_failed")
    assert failed.data["cause"] == "budget"
    assert "all that the budget allows" in failed.data["error"]
    assert fleet.sortie(ids["a"])["status"] == "failed"
    (used,) = fleet.events("budget_used")
    assert used.data["wall_ms"] >= 150


def test_a_worker_that_is_stopped_hands_back_what_it_has_not_done(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(a=sortie(run="touch begun; sleep 600"))
    worker, told = fleet.worker(options=WorkerOptions(grace_s=0.05))
    thread = in_background(worker)
    told.wait_for("begins")
    while not (fleet.folder / "begun").exists():
        told.wait_for("begins")
    worker.stop()
    thread.join(timeout=60)
    row = fleet.sortie(ids["a"])
    assert (row["status"], row["attempt"], row["attempt_base"]) == ("pending", 1, 1)
    assert told.words()[-2:] == ["handed back", "left"]
    checkpoints = [row for _, row in fleet.store.rows().scan("checkpoints")]
    assert any(row["context"].get("current_sortie") == ids["a"] for row in checkpoints)


def test_a_worker_that_is_stopped_may_finish_within_its_grace(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(
        a=sortie(run="touch begun; while ! test -f go; do sleep 0.02; done"), b=sortie(run="true", depends_on=("a",))
    )
    worker, told = fleet.worker(options=WorkerOptions(grace_s=60))
    thread = in_background(worker)
    told.wait_for("begins")
    worker.stop()
    (fleet.folder / "go").touch()
    thread.join(timeout=60)
    assert fleet.sortie(ids["a"])["status"] == "completed"
    assert fleet.sortie(ids["b"])["status"] == "pending"


def test_a_worker_that_is_drained_finishes_and_leaves(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(a=sortie(run="while ! test -f go; do sleep 0.02; done"), b=sortie(run="true", depends_on=("a",)))
    worker, told = fleet.worker(options=WorkerOptions())
    thread = in_background(worker)
    told.wait_for("begins")
    fleet.desk().run(specialist_commands.drain("spec_builder_1", by="tester"))
    (fleet.folder / "go").touch()
    thread.join(timeout=60)
    assert fleet.sortie(ids["a"])["status"] == "completed"
    assert fleet.sortie(ids["b"])["status"] == "pending"
    assert told.lines[-1][2]["reason"] == "success"


def test_an_idle_worker_notices_that_it_is_drained_or_ended(fleet: Fleet, in_background: Begin) -> None:
    drained, told = fleet.worker(replica=1, options=WorkerOptions())
    ended, said = fleet.worker(replica=2, options=WorkerOptions())
    threads = [in_background(drained), in_background(ended)]
    told.wait_for("registered")
    said.wait_for("registered")
    fleet.desk().run(specialist_commands.drain("spec_builder_1", by="tester"))
    fleet.desk().run(specialist_commands.complete("spec_builder_2"))
    for thread in threads:
        thread.join(timeout=60)
    assert "left" in told.words()
    assert "trouble" in said.words()


def test_a_cancelled_sortie_is_not_worked_on_any_more_and_not_reported(fleet: Fleet, in_background: Begin) -> None:
    ids = fleet.start(a=sortie(run="touch begun; sleep 600"), b=sortie(run="true", depends_on=("a",)))
    worker, told = fleet.worker(**FAST)
    in_background(worker)
    told.wait_for("begins")
    fleet.desk().run(sortie_commands.cancel(ids["a"], by="tester"))
    told.wait_for("lost")
    assert fleet.sortie(ids["a"])["status"] == "cancelled"
    assert fleet.events("sortie_result_refused") == []


def test_a_heartbeat_renews_the_lease_of_long_work(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="sleep 0.5"))
    fleet.work(heartbeat_interval_ms=50, heartbeat_timeout_ms=300)
    assert fleet.sortie(ids["a"])["status"] == "completed"
    assert fleet.events("sortie_lease_renewed")
    beats = fleet.events("specialist_active")
    assert any(event.data["status"] == "busy" and event.data["current_sortie"] == ids["a"] for event in beats)
    assert any("memory_mb" in event.data.get("metrics", {}) for event in beats)


def test_a_worker_that_starts_anew_gives_back_what_its_former_life_held(fleet: Fleet) -> None:
    ids = fleet.start(
        a=sortie(run="true", files=("a.txt",), retries=1, retry_delay_ms=1),
        b=sortie(run="true", retries=1, retry_delay_ms=1, review=Review(by="builder", run="true")),
    )
    office = fleet.office()
    office.register()
    first = office.claim(60_000)
    assert first is not None
    assert office.holds(first)
    told = fleet.work()
    assert not office.holds(first)
    assert {fleet.sortie(ids[name])["status"] for name in "ab"} == {"completed"}
    crashed = [event for event in fleet.events("sortie_attempt_failed") if event.data["cause"] == "crash"]
    assert [event.data["error"] for event in crashed] == ["spec_builder_1 has started anew"]
    assert told.words().count("completed") == 2


def test_a_review_of_a_former_life_is_given_up(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="true", review=Review(by="reviewer", run="true")))
    fleet.work(options=WorkerOptions(once=True))
    office = fleet.office("reviewer")
    office.register()
    given = office.claim(60_000)
    assert given is not None
    assert given.kind == "review"
    assert office.holds(given)
    fleet.work("reviewer")
    assert not office.holds(given)
    assert fleet.sortie(ids["a"])["status"] == "completed"
    assert len(fleet.events("review_abandoned")) == 1
