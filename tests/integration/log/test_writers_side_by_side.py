"""Several writers on one file: what each remembers of the rows follows what the others record."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.errors import TimedOut
from reconciler.events.envelope import Cause, NewEvent
from reconciler.projections import tables
from reconciler.projections.store import Store, open_store
from reconciler.spec.desired import DatabaseSettings

CAUSE = Cause("tester", "cli")


def registered(name: str) -> NewEvent:
    return NewEvent("specialist_registered", "specialist", name, {"specialist_id": name, "name": name})


def beat(name: str, status: str = "idle") -> NewEvent:
    return NewEvent("specialist_active", "specialist", name, {"specialist_id": name, "status": status})


def seen(store: Store, name: str) -> object:
    """The status of a specialist as the writer's own rows say, inside a transaction."""
    found: list[object] = []

    def decide(rows: object, now_ms: int) -> list[NewEvent]:
        found.extend((key, row["status"]) for key, row in rows.scan("specialists") if key == name)  # type: ignore[attr-defined]
        return []

    store.decide([(decide, CAUSE)])
    return found


def test_a_writer_follows_in_memory_what_another_one_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bool] = []
    original = tables.Projecting.catch_up

    def watched(self: tables.Projecting, *arguments: object) -> bool:
        answers.append(original(self, *arguments))  # type: ignore[arg-type]
        return answers[-1]

    monkeypatch.setattr(tables.Projecting, "catch_up", watched)
    with open_store(tmp_path / "log.db") as one, open_store(tmp_path / "log.db") as other:
        one.append([registered("a"), registered("b")], CAUSE)
        assert seen(one, "a") == [("a", "active")]
        other.append([beat("a", "busy"), beat("b")], CAUSE)
        assert seen(one, "a") == [("a", "busy")]
        assert answers[-1] is True
        one.append([beat("a")], CAUSE)
        assert seen(other, "a") == [("a", "idle")]
        assert dict(one.rows().scan("specialists")) == dict(one.rows_at(one.head()).scan("specialists"))


def test_it_reads_anew_what_it_did_not_remember_or_what_is_too_much(tmp_path: Path) -> None:
    with open_store(tmp_path / "log.db") as one, open_store(tmp_path / "log.db") as other:
        one.append([registered("a")], CAUSE)
        other.append([registered("b"), beat("b", "busy")], CAUSE)
        one.append([beat("b")], CAUSE)
        other.append([beat("b", "busy") for _ in range(501)], CAUSE)
        assert seen(one, "b") == [("b", "busy")]
        other.append(
            [NewEvent("checkpoint_pruned", "checkpoint", "c", {"checkpoint_id": "c", "reason": "retention"})], CAUSE
        )
        assert seen(one, "b") == [("b", "busy")]


def test_a_writer_waits_for_its_turn_and_gives_up_in_the_end(tmp_path: Path) -> None:
    settings = DatabaseSettings(busy_timeout_ms=50)
    with open_store(tmp_path / "log.db") as one, open_store(tmp_path / "log.db", settings=settings) as other:
        with one.transaction(), pytest.raises(TimedOut):
            other.append([registered("a")], CAUSE)
        assert [event.event_type for event in other.append([registered("a")], CAUSE)] == ["specialist_registered"]


def test_many_writers_all_get_their_turns(tmp_path: Path) -> None:
    stores = [open_store(tmp_path / "log.db") for _ in range(4)]
    try:
        stores[0].append([registered(f"s{number}") for number in range(4)], CAUSE)

        def work(number: int) -> None:
            for _ in range(25):
                stores[number].append([beat(f"s{number}", "busy"), beat(f"s{number}")], CAUSE)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stores[1].head() == 4 + 4 * 25 * 2
        assert {row["status"] for _, row in stores[2].rows().scan("specialists")} == {"idle"}
    finally:
        for store in stores:
            store.close()
