"""The bundle for a bug report: useful, and without anything that must not leave the machine."""

from __future__ import annotations

import json
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause, NewEvent, StreamType
from reconciler.ops.bundle import Surroundings, bundle, default_name
from reconciler.ops.doctor import Finding
from reconciler.ops.redact import Redactor
from reconciler.plan.diff import diff
from reconciler.projections.projected import Projected
from reconciler.projections.store import Store, open_store
from reconciler.spec.desired import to_document
from tests.support.fleets import fleet
from tests.support.logs import archive_until, tell_some

NOW = 1_795_521_600_000
CANARY = "canary-3b1f9d"


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        folder = path.name.removesuffix(".tar.gz")
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.removeprefix(f"{folder}/")] = file.read().decode()
        return found


def written(store: Store, tmp_path: Path, around: Surroundings | None = None, **options: int) -> dict[str, str]:
    out = tmp_path / default_name(NOW)
    names = bundle(store.path, out, around or Surroundings(), now_ms=NOW, **options)
    found = contents(out)
    assert sorted(found) == sorted(names)
    return found


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


SECRETIVE: dict[str, Any] = {
    "environment": {
        "DATABASE_URL": f"postgres://u:{CANARY}-1@db/x",
        "GREETING": f"{CANARY}-2",
        "PEER": "database-service",
    },
    "command": ["serve", f"--key={CANARY}-3"],
    "labels": {"note": f"{CANARY}-4"},
    "configs": [{"target": "/etc/a", "digest": "sha256:1", "content": f"password = {CANARY}-5"}],
}


def record(store: Store, event_type: str, stream: str, data: Mapping[str, Any], actor: str = "ada") -> None:
    kind, _, name = stream.partition("/")
    stream_type: StreamType = kind  # type: ignore[assignment]
    cause = Cause(actor, "cli", user_agent=f"{CANARY}-agent")
    store.append([NewEvent(event_type, stream_type, name, dict(data))], cause)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A log with something that must not get out wherever there is room for it."""
    with open_store(tmp_path / "data" / "squawk.db") as opened:
        tell_some(opened)
        archive_until(opened, 12)
        document = to_document(fleet({"services": {"web": SECRETIVE, "database-service": {}}}))
        files = [{"path": "fleet.yaml", "digest": "sha256:1"}]
        accepted = {
            "revision": 9,
            "digest": "v1:9",
            "document": document,
            "inputs": {"x": f"{CANARY}-6"},
            "files": files,
        }
        record(opened, "revision_accepted", "fleet/shop", accepted)
        for name, definition in document["services"].items():
            defined = {"service": name, "digest": f"v1:{name}", "definition": definition}
            record(opened, "service_defined", f"service/{name}", defined)
        reason = {
            "code": "definition_changed",
            "text": f"GREETING became {CANARY}-2",
            "changes": [{"path": "environment.GREETING", "old": f"{CANARY}-7", "new": f"{CANARY}-2"}],
        }
        intent = {"action": "replace", "resource": "service/web", "replica": 1, "reason": reason, "apply_id": "apply_1"}
        record(opened, "action_intended", "service/web", intent)
        error = f"cannot reach postgres://u:{CANARY}-8@db/x with --key={CANARY}-3 and {CANARY}-secret"
        failed = {"action": "replace", "resource": "service/web", "intent_id": "evt_1", "error": error, "apply_id": "a"}
        record(opened, "action_failed", "service/web", failed)
        container = {"service": "web", "replica": 1, "container_id": "c1"}
        sick = {**container, "health": "unhealthy", "output": f"token {CANARY}-9"}
        record(opened, "container_health_changed", "service/web", sick)
        drifted = {**container, "field": "name", "expected": "a", "actual": f"{CANARY}-10"}
        record(opened, "container_drifted", "service/web", drifted)
        message = {"message_id": "m", "mailbox_id": "b", "message_type": "note", "content": {"pin": f"{CANARY}-11"}}
        record(opened, "squawk_sent", "squawk/b", message)
        problem = {"file": "fleet.yaml", "line": 3, "message": f"password: {CANARY}-12 is no number"}
        record(opened, "revision_rejected", "fleet/shop", {"revision": 10, "problems": [problem]})
        record(opened, "history_recorded", "system/h", {"action": f"{CANARY}-2", "actor": "bob"}, actor="bob")
        yield opened


def test_nothing_that_must_not_get_out(store: Store, tmp_path: Path) -> None:
    desired = fleet({"services": {"web": SECRETIVE}})
    around = Surroundings(
        findings=[Finding("engine", "broken", f"refused {CANARY}-2", "mend")],
        plan=diff(desired, Projected()),
        secrets=[f"{CANARY}-secret".encode(), f"{CANARY}-13"],
        problems=[f"plan.json: {CANARY}-13"],
    )
    found = written(store, tmp_path, around)
    assert CANARY not in "".join(found.values())
    assert "user_agent" not in found["events.jsonl"]
    path = tmp_path / default_name(NOW)
    assert CANARY.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_report_needs_is_there(store: Store, tmp_path: Path) -> None:
    found = written(store, tmp_path, Surroundings(findings=[Finding("engine", "ok", "Podman 5", "")]))
    assert set(found) == {
        "README.txt",
        "machine.json",
        "doctor.json",
        "log.json",
        "statistics.json",
        "events.jsonl",
        "problems.txt",
    }
    assert json.loads(found["doctor.json"]) == [{"check": "engine", "level": "ok", "what": "Podman 5"}]
    assert json.loads(found["log.json"])["sound"] is True
    assert json.loads(found["statistics.json"])["events"] == store.head()
    assert found["problems.txt"] == "none\n"
    assert json.loads(found["machine.json"])["schema_revision"]


def test_events_keep_their_shape(store: Store, tmp_path: Path) -> None:
    events = lines(written(store, tmp_path)["events.jsonl"])
    assert [event["sequence_number"] for event in events] == list(range(1, store.head() + 1))
    by_type = {event["event_type"]: event["data"] for event in events}
    assert by_type["action_intended"]["reason"]["changes"] == [{"path": "environment.GREETING"}]
    assert by_type["action_intended"]["reason"]["text"] == "GREETING became ***"
    assert by_type["service_defined"]["definition"].startswith("(object, ")
    assert by_type["service_defined"]["service"] == "database-service", "a name is no value"
    assert by_type["revision_accepted"]["files"][0]["digest"] == "sha256:1"
    assert by_type["squawk_sent"]["content"] == "(object, 1 fields)"
    assert by_type["container_health_changed"]["output"].startswith("(text, ")
    assert by_type["container_exited"]["exit_code"] == 3
    actors = {event["metadata"]["actor"] for event in events}
    assert actors == {f"actor-{number}" for number in range(1, len(actors) + 1)}


def test_only_the_newest_events(store: Store, tmp_path: Path) -> None:
    events = lines(written(store, tmp_path, events=3)["events.jsonl"])
    assert [event["sequence_number"] for event in events] == [store.head() - 2, store.head() - 1, store.head()]


def test_without_a_log(tmp_path: Path) -> None:
    out = tmp_path / "report.tar.gz"
    bundle(tmp_path / "none.db", out, Surroundings(), now_ms=NOW)
    assert contents(out)["problems.txt"] == "there is no log yet\n"


def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "squawk.db").write_bytes(b"not a database at all")
    out = tmp_path / "report.tar.gz"
    bundle(tmp_path / "squawk.db", out, Surroundings(), now_ms=NOW)
    problems = contents(out)["problems.txt"]
    assert "log.json: " in problems
    assert "events.jsonl: " in problems


def test_a_bundle_is_never_written_over(store: Store, tmp_path: Path) -> None:
    written(store, tmp_path)
    with pytest.raises(LogUnusable, match="no bundle was written"):
        bundle(store.path, tmp_path / default_name(NOW), Surroundings(), now_ms=NOW)


def test_a_plan_without_values() -> None:
    redactor = Redactor()
    redactor.learn(SECRETIVE)
    plan = redactor.plan(diff(fleet({"services": {"web": {**SECRETIVE, "privileged": True}}}), Projected()))
    assert plan["actions"]
    assert plan["warnings"]
    assert CANARY not in json.dumps(plan)


def test_short_values_are_not_hidden_everywhere() -> None:
    redactor = Redactor()
    redactor.learn({"environment": {"MODE": "fast"}, "tags": ["something"]})
    assert redactor.text("fast and something") == "fast and something"
