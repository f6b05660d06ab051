"""History: revisions and applies, newest first, whatever became of them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.ops.history import history
from tests.support.story import NOON, Log


@pytest.fixture
def log() -> Log:
    return Log()


def begin(log: Log, apply_id: str = "apply_1", **counts: int) -> None:
    data = {"apply_id": apply_id, "revision": 1, "plan_digest": "v1:p", **counts}
    log.record("apply_started", "fleet/shop", data, commit="1a2b3c4d")


def end(log: Log, status: str, apply_id: str = "apply_1", **fields: Any) -> None:
    data = {"apply_id": apply_id, "status": status, "done": 1, "failed": 0, "skipped": 0, "duration_ms": 5, **fields}
    log.record("apply_completed", "fleet/shop", data)


def told(log: Log, *, writing: bool = False) -> list[tuple[str, str, str]]:
    return [(one.kind, one.result, one.detail) for one in history(log.rows(), writing=writing)]


def test_nothing_has_happened(log: Log) -> None:
    assert history(log.rows(), writing=False) == ()


def test_newest_first_with_who_and_from_where(log: Log) -> None:
    log.edit(commit="1a2b3c4d", author="Ada", files=[{"path": "fleet.yaml", "digest": "d"}])
    begin(log, creates=2, replaces=1)
    end(log, "succeeded")
    apply, revision = history(log.rows(), writing=False)
    assert (apply.kind, apply.result, apply.detail) == ("apply", "succeeded", "1 replaced, 2 created")
    assert (apply.actor, apply.source, apply.commit, apply.apply_id) == ("ada", "cli", "1a2b3c4d", "apply_1")
    assert (apply.at, apply.duration_ms) == (NOON + 2_000, 1_000)
    assert apply.counts == (("replaces", 1), ("creates", 2))
    assert (revision.kind, revision.result, revision.detail) == ("revision", "accepted", "fleet.yaml")
    assert (revision.author, revision.commit, revision.revision) == ("Ada", "1a2b3c4d", 1)


def test_failed_and_interrupted_applies_are_told(log: Log) -> None:
    begin(log, creates=3)
    end(log, "failed", failed=1, skipped=1)
    begin(log, "apply_2", creates=1)
    end(log, "interrupted", "apply_2", left_off="create service/web/1")
    assert told(log) == [
        ("apply", "interrupted", "1 created, left off at create service/web/1"),
        ("apply", "failed", "3 created, 1 failed, 1 skipped"),
    ]


def test_an_apply_without_an_end_is_running_only_while_somebody_writes(log: Log) -> None:
    begin(log)
    begin(log, "apply_2")
    assert [result for _, result, _ in told(log, writing=True)] == ["running", "unfinished"]
    assert [result for _, result, _ in told(log)] == ["unfinished", "unfinished"]


def test_rejected_and_reverted_revisions(log: Log) -> None:
    log.edit(1)
    log.edit(2, reason="hotfix")
    log.record("revision_reverted", "fleet/shop", {"revision": 2, "to_revision": 1, "why": "web never answered"})
    problem = {"file": "fleet.yaml", "line": 3, "message": "unknown key imge"}
    log.record("revision_rejected", "fleet/shop", {"revision": 3, "problems": [problem, {**problem, "line": 0}]})
    log.record("revision_rejected", "fleet/shop", {"revision": 4, "problems": [{**problem, "line": 0}]})
    assert told(log) == [
        ("revision", "rejected", "unknown key imge"),
        ("revision", "rejected", "fleet.yaml:3: unknown key imge (and 1 more)"),
        ("revision", "reverted", "hotfix; taken back in favour of revision 1: web never answered"),
        ("revision", "accepted", ""),
    ]
    log.record("revision_reverted", "fleet/shop", {"revision": 1, "to_revision": 2})
    assert told(log)[-1] == ("revision", "reverted", "taken back in favour of revision 2")
    assert told(log)[-2][:2] == ("revision", "accepted"), "one that was gone back to holds again"
