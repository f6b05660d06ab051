"""Write the golden log of this release: `python -m tests.golden.make`.

A golden log is a database as a release of Fleet left it, and the rows that follow from it. It holds every event type of that
release and a short story of services and agents. The files of a release that is out are never written again: whatever comes
later has to read them.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from reconciler import __version__
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.registry import TYPES, explain
from reconciler.projections.rows import Rows
from reconciler.projections.store import open_store
from tests.support.events import NOON, Clock

FOLDER = Path(__file__).parent


def examples() -> Iterator[NewEvent]:
    """One event of each type, as `fleet events explain` shows it."""
    for number, (name, kind) in enumerate(TYPES.items()):
        yield NewEvent(
            name, kind.stream_type, f"example-{number % 3}", explain(name).example, UUID(int=0x7000 + number)
        )


def story() -> Iterator[NewEvent]:
    """A service that is defined, runs, dies, is replaced; an agent that works on a sortie."""
    container = {"service": "web", "replica": 1, "container_id": "c1"}
    made = {**container, "name": "shop-web-1", "digest": "v1:d1", "image": "web:1", "image_id": "sha256:1"}
    reason = {
        "code": "declared",
        "text": "new in the file",
        "changes": [{"path": "image", "old": None, "new": "web:1"}],
    }
    intent = {
        "action": "create_container",
        "resource": "service/web",
        "replica": 1,
        "reason": reason,
        "apply_id": "apply_1",
    }
    sortie = {"sortie_id": "s1", "specialist_id": "ada"}
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("revision_accepted", "shop", {"revision": 1, "digest": "v1:r1", "document": {"name": "shop"}}),
        ("apply_started", "shop", {"apply_id": "apply_1", "revision": 1, "plan_digest": "v1:p1", "creates": 1}),
        (
            "service_defined",
            "web",
            {"service": "web", "digest": "v1:d1", "definition": {"name": "web", "image": "web:1"}},
        ),
        ("action_intended", "web", intent),
        ("container_created", "web", {**made, "intent_id": "evt_0000000000000000000000000000a004"}),
        ("container_started", "web", container),
        (
            "apply_completed",
            "shop",
            {"apply_id": "apply_1", "status": "succeeded", "done": 1, "failed": 0, "skipped": 0, "duration_ms": 900},
        ),
        ("container_health_changed", "web", {**container, "health": "unhealthy", "output": "no answer on ü"}),
        ("container_exited", "web", {**container, "exit_code": 137, "oom_killed": True}),
        (
            "backoff_started",
            "web",
            {"service": "web", "replica": 1, "failures": 1, "delay_ms": 10_000, "until": NOON + 10_000},
        ),
        ("container_found", "web", {**made, "container_id": "c2", "state": "running"}),
        ("container_vanished", "web", container),
        ("specialist_registered", "ada", {"specialist_id": "ada", "name": "Ada", "capabilities": ["python"]}),
        ("mission_created", "m1", {"mission_id": "m1", "title": "Add login", "priority": "high"}),
        ("sortie_created", "s1", {"sortie_id": "s1", "mission_id": "m1", "title": "Build it"}),
        (
            "sortie_status_changed",
            "s1",
            {"sortie_id": "s1", "previous_status": "pending", "new_status": "assigned", "changed_by": "fleet"},
        ),
        ("sortie_started", "s1", {**sortie, "started_at": "2026-01-31T12:00:00Z"}),
        ("sortie_progress", "s1", {**sortie, "progress": 42.5}),
        (
            "sortie_completed",
            "s1",
            {**sortie, "completed_at": "2026-01-31T12:10:00Z", "duration_ms": 600_000, "result": {"success": True}},
        ),
        (
            "squawk_sent",
            "ada",
            {"message_id": "x1", "mailbox_id": "ada", "message_type": "note", "content": {"big": 1 << 70, "π": 3.14}},
        ),
        ("cursor_advanced", "ada", {"cursor_id": "c1", "stream_type": "squawk", "stream_id": "ada", "position": 1}),
    ]
    for number, (event_type, stream, data) in enumerate(steps):
        occurred = NOON - 60_000 if number % 5 == 0 else None
        event_id = UUID(int=0xA001 + number)
        cause = UUID(int=0xA000 + number) if number else None
        yield NewEvent(event_type, TYPES[event_type].stream_type, stream, data, event_id, cause, occurred)


def tables(rows: Rows, names: list[str]) -> dict[str, dict[str, Any]]:
    """The rows of these projections."""
    return {name: dict(rows.scan(name)) for name in names}


def main() -> None:
    """Write this release's files."""
    causes = [
        Cause("ada", "cli", UUID(int=1), commit="c0ffee"),
        Cause("fleet", "watch", UUID(int=2), UUID(int=0xA001)),
        Cause("bob", "api", UUID(int=3), user_agent="curl/8"),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("os.uname", return_value=type("U", (), {"nodename": "golden"})()),
    ):
        path = Path(folder) / "squawk.db"
        with open_store(path, clock=Clock(step=250)) as store:
            events = [*story(), *examples()]
            for number in range(0, len(events), 7):
                store.append(events[number : number + 7], causes[number % 3])
            with store.snapshot() as (rows, _):
                names = sorted(_projections(path))
                expected = tables(rows, names)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")
        (FOLDER / f"log-{__version__}.db.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    text = json.dumps(expected, indent=1, ensure_ascii=False, sort_keys=True)
    (FOLDER / f"log-{__version__}.json").write_text(text + "\n", encoding="utf-8")


def _projections(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'projected_*'").fetchall()
    return [name.removeprefix("projected_") for (name,) in found]


if __name__ == "__main__":
    main()
