"""Making the projections anew: from nothing, while others read and write, and with tables that are new or gone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.events.envelope import NewEvent
from reconciler.projections import rebuild as rebuilding
from reconciler.projections.fold import FOLDS, fold_of
from reconciler.projections.rows import Rows
from reconciler.projections.store import EventQuery, Store, open_store
from tests.integration.log.older import changed
from tests.support.events import ADA, heartbeat, note, registered, remembered

TABLES = ("specialists", "messages", "mailboxes")


def contents(rows: Rows) -> dict[str, list[object]]:
    return {table: list(rows.scan(table)) for table in TABLES}


@pytest.fixture
def told(store: Store) -> Store:
    store.append([registered("ada"), registered("bob"), note("a"), note("b")], ADA)
    store.append([heartbeat("ada", "idle"), remembered("x"), note("c", "other")], ADA)
    return store


def test_the_new_rows_equal_the_old(told: Store) -> None:
    before = contents(told.rows())
    assert told.rebuild() == 7
    assert contents(told.rows()) == before == contents(told.rows_at(7))
    told.append([heartbeat("bob", "idle")], ADA)
    assert told.rows().get("specialists", "bob")["status"] == "idle"  # type: ignore[index]


def test_an_empty_log_has_empty_rows(store: Store) -> None:
    assert store.rebuild() == 0
    assert contents(store.rows()) == {table: [] for table in TABLES}
    store.append([note("a")], ADA)


def test_wrong_rows_are_put_right(told: Store, path: Path) -> None:
    right = contents(told.rows())
    changed(path, "UPDATE projected_specialists SET row = replace(row, 'idle', 'busy')")
    changed(path, "DELETE FROM projected_messages")
    changed(path, "DROP TABLE projected_threads")
    changed(path, "CREATE TABLE projected_legends (key TEXT PRIMARY KEY, row TEXT, last_event_sequence INTEGER)")
    changed(path, "CREATE TABLE rebuilding_messages (key TEXT)")
    told.rebuild()
    assert contents(told.rows()) == right
    assert list(told.rows().scan("legends")) == []
    assert list(told.rows().scan("threads")) == []
    with told.reading() as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert connection.execute("SELECT name, status FROM specialists").fetchall() == [
            ("ada", "idle"),
            ("bob", "active"),
        ]
    assert "projected_threads" in names
    assert not [name for name in names if name.startswith("rebuilding_") or "legends" in name]


def test_progress_is_told_and_others_go_on(told: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "_PORTION", 3)
    steps: list[tuple[int, int]] = []
    with open_store(path) as other:

        def progress(done: int, of: int) -> None:
            steps.append((done, of))
            assert other.rows().get("specialists", "ada")["status"] == "idle"  # type: ignore[index]
            if len(steps) < 4:
                other.append([note(f"meanwhile {done}")], ADA)

        assert told.rebuild(progress) == 10
        assert steps == [(3, 7), (6, 8), (7, 9), (10, 10)]
        assert contents(told.rows()) == contents(told.rows_at(10)) == contents(other.rows())
        other.append([note("after")], ADA)


def test_a_rebuild_that_was_killed_is_begun_anew(told: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "_PORTION", 2)
    right = contents(told.rows())

    def killed(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told.rebuild(killed)
    assert contents(told.rows()) == right
    told.append([note("d")], ADA)
    assert told.rebuild() == 8
    assert len(list(told.rows().scan("messages"))) == 4


def test_rows_that_do_not_fit_into_memory_are_written_on_the_way(told: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.projections.tables._MOST_REMEMBERED", 2)
    told.append([note(str(number)) for number in range(20)], ADA)
    told.append([heartbeat("ada", "active"), note("x")], ADA)
    assert contents(told.rows()) == contents(told.rows_at(told.head()))
    right = contents(told.rows())
    told.rebuild()
    assert contents(told.rows()) == right


def test_folds_that_look_through_a_table_see_what_was_written_before(store: Store, path: Path) -> None:
    reason = {"code": "declared", "text": "new", "changes": []}

    def intended(resource: str) -> NewEvent:
        data = {"action": "pull_image", "resource": resource, "reason": reason, "apply_id": "a"}
        return NewEvent("action_intended", "service", "web", data)

    for resources in (["image/a", "image/b"], ["image/a"], ["image/c", "image/b"]):
        with open_store(path) as other:
            other.append([intended(resource) for resource in resources], ADA)
    found = sorted(row["resource"] for _, row in store.rows().scan("intents"))
    assert found == ["image/a", "image/b", "image/c"]
    assert list(store.rows().scan("intents")) == list(store.rows_at(5).scan("intents"))


def test_a_projection_that_is_younger_than_the_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def legend(event: object, rows: Rows) -> None:
        rows.delete("legends", "gone")
        if rows.get("legends", "first") is None:
            assert list(rows.scan("legends")) == []
            rows.put("legends", "first", {"last_event_sequence": 1})
        else:
            rows.delete("legends", "first")
            rows.put("legends", "second", {"name": "x"})

    monkeypatch.setitem(FOLDS, "memory_stored", legend)
    fold_of.cache_clear()
    try:
        store.append([remembered("a")], ADA)
        assert list(store.rows().scan("legends")) == [("first", {"last_event_sequence": 1})]
        store.append([remembered("b")], ADA)
        assert list(store.rows().scan("legends")) == [("second", {"name": "x"})]
        store.rebuild()
        assert store.rows().get("legends", "second") == {"name": "x"}
    finally:
        fold_of.cache_clear()


def test_a_rebuild_of_an_archived_log_reads_the_archive_too(told: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is all that a rebuild knows of the log."""
    asked: list[EventQuery] = []
    read = told._reader.events
    monkeypatch.setattr(told._reader, "events", lambda query: (asked.append(query), read(query))[1])
    told.rebuild()
    assert [query.after for query in asked] == [0, 7]


def test_two_that_rebuild_take_turns(told: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "_PORTION", 2)
    right = contents(told.rows())
    order: list[str] = []
    with open_store(path) as other:

        def work(name: str, store: Store) -> None:
            store.rebuild(lambda done, of: order.append(name))

        threads = [threading.Thread(target=work, args=pair) for pair in (("a", told), ("b", other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "".join(order) in ("aaaabbbb", "bbbbaaaa")
        assert contents(told.rows()) == contents(other.rows()) == right
        told.append([note("z")], ADA)
        other.append([note("y")], ADA)
        assert contents(told.rows()) == contents(told.rows_at(9))
