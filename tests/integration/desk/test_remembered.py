"""Sorties that are remembered between commands are those that the rows hold, whoever changed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.control.desk import locks, reading, sorties, specialists
from reconciler.control.desk.desk import Desk, Work
from reconciler.control.desk.remembered import every_active_lock, every_sortie
from reconciler.events.envelope import Cause
from reconciler.projections import tables
from reconciler.projections.rows import MemoryRows
from reconciler.projections.store import Store, open_store
from reconciler.work import sorties as rules
from reconciler.work.state import FileLock, Sortie

CAUSE = Cause("tester", "cli")


def agree(store: Store) -> list[str]:
    """Titles in their order, as remembered; the same as when every row is read anew."""

    def command(work: Work) -> list[str]:
        remembered = list(every_sortie(work.rows))
        assert remembered == [Sortie.from_row(row) for _, row in work.rows.scan("sorties")]
        return [one.title for one in remembered]

    return Desk(store, CAUSE).run(command).value


def test_what_others_change_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "log.db") as one, open_store(tmp_path / "log.db") as other:
        mine, theirs = Desk(one, CAUSE), Desk(other, CAUSE)
        first = mine.run(sorties.create(title="first")).value
        assert agree(one) == ["first"]
        theirs.run(sorties.create(title="second"))
        theirs.run(sorties.update(first.id, {"title": "changed"}))
        assert agree(one) == ["changed", "second"]
        mine.run(sorties.cancel(first.id, by="tester"))
        assert agree(other) == ["changed", "second"]
        monkeypatch.setattr(tables, "_MOST_JOURNALED", 0)
        mine.run(sorties.create(title="third"))
        assert agree(one) == ["changed", "second", "third"]
        assert [row.title for row in reading.sorties(one.rows())] == ["changed", "second", "third"]
        assert [row.title for row in reading.open_sorties(one.rows())] == ["second", "third"]


def test_a_command_sees_what_it_has_recorded_itself(tmp_path: Path) -> None:
    with open_store(tmp_path / "log.db") as store:
        desk = Desk(store, CAUSE)
        desk.run(specialists.register(name="a", specialist_id="spec_a"))
        kept = desk.run(sorties.create(title="kept")).value
        assert agree(store) == ["kept"]

        def command(work: Work) -> None:
            # Their ids come before what is there, in another order than that in which they are made.
            work.record(rules.create("sortie_00b", title="b", now_ms=work.now_ms))
            work.record(rules.create("sortie_00a", title="a", now_ms=work.now_ms))
            work.record(rules.update(kept, {"title": "newer"}, now_ms=work.now_ms))
            assert [one.title for one in reading.sorties(work.rows)] == ["a", "b", "newer"]
            gone = MemoryRows(work.rows)
            gone.delete("sorties", "sortie_00a")
            assert [one.title for one in every_sortie(gone)] == ["b", "newer"]
            work.rows.delete("sorties", "sortie_00b")
            assert [one.title for one in every_sortie(work.rows)] == ["a", "newer"]

        desk.run(command)
        assert agree(store) == ["a", "b", "newer"]


def test_reservations_are_remembered_for_as_long_as_they_hold(tmp_path: Path) -> None:
    def agree_on_locks(store: Store) -> list[str]:
        def command(work: Work) -> list[str]:
            remembered = list(every_active_lock(work.rows))
            rows = [FileLock.from_row(row) for _, row in work.rows.scan("locks")]
            assert remembered == [one for one in rows if one.status == "active"]
            return [one.file_path for one in remembered]

        return Desk(store, CAUSE).run(command).value

    with open_store(tmp_path / "log.db") as one, open_store(tmp_path / "log.db") as other:
        mine, theirs = Desk(one, CAUSE), Desk(other, CAUSE)
        (first,) = mine.run(locks.reserve(["a.py"], "ann")).value
        assert agree_on_locks(one) == ["a.py"]
        theirs.run(locks.reserve(["b.py"], "bob"))
        assert agree_on_locks(one) == ["a.py", "b.py"]
        mine.run(locks.release(first.id, "ann"))
        assert agree_on_locks(one) == agree_on_locks(other) == ["b.py"]

        def command(work: Work) -> list[str]:
            locks.reserve(["c.py"], "ann")(work)
            return [one.file_path for one in every_active_lock(work.rows)]

        assert mine.run(command).value == ["b.py", "c.py"]
        assert [one.file_path for one in reading.active_locks(one.rows())] == ["b.py", "c.py"]
