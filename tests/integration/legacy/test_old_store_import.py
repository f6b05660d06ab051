"""The old store into a real log and back, with everything that can come in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Conflict, FleetError, LeaseHeld
from reconciler.events.envelope import Cause
from reconciler.legacy.importing import LegacyMismatch, Report, compare, import_file, preview
from reconciler.legacy.records import OldStore
from reconciler.legacy.rollback import roll_back
from reconciler.ops.verify import verify
from reconciler.projections.store import Store, open_store
from tests.support.terminal import Terminal
from tests.unit.legacy.carried import assert_same, carry, recorded, rows_of

CAUSE = Cause("ada", "import")
NOW = 1_800_000_000_000
AT = "2024-05-01T10:00:00.000Z"


def document(count: int = 3) -> dict[str, Any]:
    """A store with something of everything, odd things among it."""
    events = [
        {"id": f"e{n}", "type": "note", "stream_id": "m", "data": json.dumps({"n": n}), "occurred_at": AT,
         "causation_id": f"e{n - 1}" if n else None, "metadata": None}
        for n in range(count)
    ]  # fmt: skip
    return {
        "mailboxes": {"m": {"id": "m", "created_at": AT, "updated_at": AT}},
        "events": {"m": events, "ghost": [{"type": "x", "data": "{broken", "occurred_at": "?"}, 5]},
        "cursors": {"c": {"stream_id": "m", "position": 2}},
        "locks": {"l": {"id": "l", "file": "a.py", "reserved_by": "w", "reserved_at": AT, "timeout_ms": 30_000}},
        "version": 1,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "old" / "squawk.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document(), indent=2))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "log" / "squawk.db") as opened:
        yield opened


def brought(file: Path, store: Store) -> Report:
    return import_file(file, store, project=file.parent, cause=CAUSE, now_ms=NOW)


def test_it_is_imported_verified_and_put_away(file: Path, store: Store) -> None:
    before = preview(file, store, project=file.parent, now_ms=NOW)
    assert (before.dry_run, store.head(), file.exists()) == (True, 0, True)
    report = brought(file, store)
    assert (
        (report.counts, report.kept)
        == (before.counts, 2)
        == ({"mailboxes": 1, "events": 4, "cursors": 1, "locks": 1}, 2)
    )
    assert report.findings == before.findings
    assert not file.exists()
    assert report.archived == f"{file}.migrated.20270115T080000Z"
    rows = store.rows()
    assert [row["content"] for _, row in rows.scan("messages")][:3] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (rows.get("locks", "l") or {})["status"] == "expired"
    assert verify(store.path).sound
    first = next(event for event in store.events() if event.event_type == "fleet_detected")
    assert first.metadata["source"] == "import"
    chain = [event.causation_id for event in store.events() if event.event_type == "squawk_sent"]
    assert chain.count(first.event_id) == 2


def test_running_it_again_does_nothing(file: Path, store: Store) -> None:
    text = file.read_text()
    brought(file, store)
    head = store.head()
    file.write_text(text)
    again = brought(file, store)
    assert (again.events, again.skipped["events"], store.head()) == (0, 5, head)
    assert len(list(file.parent.iterdir())) == 2


def test_what_is_new_in_the_file_is_added(file: Path, store: Store) -> None:
    brought(file, store)
    file.write_text(json.dumps(document(count=5)))
    again = brought(file, store)
    assert (again.counts, again.skipped["events"]) == ({"mailboxes": 0, "events": 2, "cursors": 0, "locks": 0}, 4)
    assert len(list(store.rows().scan("messages"))) == 6


def test_a_file_that_cannot_be_renamed_is_imported_once(file: Path, store: Store) -> None:
    """As after a crash between the transaction and the renaming."""
    long = file.rename(file.with_name("x" * 240 + ".json"))
    report = brought(long, store)
    assert (report.archived, "could not be renamed" in report.warning) == ("", True)
    head = store.head()
    assert brought(long.rename(file), store).archived
    assert store.head() == head


def test_nothing_happens_while_somebody_else_writes(file: Path, store: Store) -> None:
    with store.lease("apply", holder="another"), open_store(store.path) as mine:
        head = store.head()
        with pytest.raises(LeaseHeld):
            brought(file, mine)
        assert store.head() == head
    assert file.exists()


def test_a_difference_is_found_before_the_transaction_ends() -> None:
    conversion = carry(document())
    found = recorded(conversion.events)
    rows = rows_of(found)
    compare(conversion.imported, found, rows)
    wrong = [
        (OldStore(), "the file has"),
        (changed(conversion.imported, "mailboxes", "m", {"id": "n"}), "mailboxes.m would not come back"),
        (changed(conversion.imported, "events", "m", [{}, {}, {}]), r"events.m\[0\] would not come back"),
    ]
    for imported, message in wrong:
        with pytest.raises(LegacyMismatch, match=message):
            compare(imported, found, rows)
    rows.delete("locks", "l")
    with pytest.raises(LegacyMismatch, match="the projection of locks lacks l"):
        compare(conversion.imported, found, rows)


def changed(store: OldStore, section: str, key: str, value: Any) -> OldStore:
    found = OldStore(dict(store.mailboxes), dict(store.events), dict(store.cursors), dict(store.locks))
    getattr(found, section)[key] = value
    return found


def test_the_way_back(file: Path, store: Store, tmp_path: Path) -> None:
    brought(file, store)
    out = tmp_path / "new" / "squawk.json"
    returned = roll_back(store, out)
    assert returned.counts == {"mailboxes": 1, "events": 5, "cursors": 1, "locks": 1}
    assert sorted(returned.without_form) == ["lease_acquired", "lease_released"]
    back = json.loads(out.read_text())
    extra = {"version": back["version"]}
    assert_same(OldStore(back["mailboxes"], back["events"], back["cursors"], back["locks"], extra), document())
    assert (out.stat().st_mode & 0o777, [path.name for path in out.parent.iterdir()]) == (0o600, ["squawk.json"])
    with pytest.raises(Conflict, match="is there already"):
        roll_back(store, out)
    roll_back(store, out, force=True)
    assert brought(out, store).events == 0


def test_a_place_that_cannot_be_written_is_left_as_it_was(store: Store, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "taken" / "squawk.json", tmp_path / "folder"):
        with pytest.raises(FleetError, match="cannot be written"):
            roll_back(store, out, force=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "log") == ["folder", "taken"]


class TestCommands:
    @pytest.fixture
    def terminal(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
        monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "old"))
        monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
        directory = tmp_path / "project"
        directory.mkdir()
        return Terminal(directory, capsys)

    def test_the_story_at_the_terminal(self, file: Path, terminal: Terminal) -> None:
        dry = terminal.fleet("migrate", "legacy", "--dry-run")
        assert f"odd: {file}:" in dry.out
        assert "would be imported: 1 mailboxes, 4 events, 1 cursors, 1 locks, as 9 events" in dry.out
        assert "kept as they are, for the way back: 2" in dry.out
        assert not terminal.database.exists()
        done = terminal.fleet("migrate", "legacy")
        assert (done.code, "imported: 1 mailboxes" in done.out, f"the file is {file}.migrated." in done.out) == (
            0,
            True,
            True,
        )
        assert terminal.fleet("migrate", "legacy").out.startswith(
            f"nothing to import: there is no {file}; it was imported"
        )
        back = terminal.fleet("migrate", "rollback")
        assert f"written {file}: 1 mailboxes, 5 events" in back.out
        assert "without an old form" in back.out
        assert terminal.fleet("migrate", "rollback").code == 1
        again = terminal.fleet("migrate", "legacy", str(file))
        assert "in the log already: 1 mailboxes" in again.out

    def test_the_same_for_programs(self, file: Path, terminal: Terminal) -> None:
        report = terminal.fleet("migrate", "legacy", "--dry-run", "--json").json
        assert (report["found"], report["dry_run"], report["counts"]["events"]) == (True, True, 4)
        assert report["findings"][0].keys() == {"file", "line", "column", "path", "message"}
        assert terminal.fleet("migrate", "legacy", str(file), "--json").json["archived"]
        nothing = terminal.fleet("migrate", "legacy", str(file), "--json").json
        assert (nothing["found"], len(nothing["put_away"])) == (False, 1)
        assert terminal.fleet("migrate", "rollback", "--json").json["counts"]["locks"] == 1

    def test_a_broken_file_changes_nothing(self, file: Path, terminal: Terminal) -> None:
        file.write_text(file.read_text()[:-10])
        broken = terminal.fleet("migrate", "legacy")
        assert (broken.code, f"{file}:" in broken.err) == (3, True)
        assert not terminal.database.exists()
        assert terminal.fleet("migrate", "rollback").code == 1

    def test_a_file_that_is_not_there(self, tmp_path: Path, terminal: Terminal) -> None:
        assert terminal.fleet("migrate", "legacy").out.startswith("nothing to import")
        assert terminal.fleet("migrate", "legacy", str(tmp_path / "lost.json")).code == 1

    def test_long_lists_are_cut_for_people(self, file: Path, terminal: Terminal) -> None:
        file.write_text(json.dumps({"events": {"m": [5] * 30}}))
        assert "… and 11 more; --json lists them all" in terminal.fleet("migrate", "legacy", "--dry-run").out
