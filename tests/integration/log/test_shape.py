"""The shape of the log's file, forwards and backwards, at the terminal and below it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.errors import LeaseHeld, LogUnusable, NotFound
from reconciler.events.store.schema import REVISION, REVISIONS
from reconciler.ops.shape import NoSuchRevision, down, shape_of, up
from reconciler.projections.store import open_store
from tests.integration.log.older import changed, taken_back
from tests.support.events import ADA, heartbeat, note, registered
from tests.support.intact import assert_intact


@pytest.fixture
def written(path: Path) -> Path:
    with open_store(path) as store:
        store.append([registered("ada"), heartbeat("ada"), note("a")], ADA)
    return path


def test_there_and_back_loses_nothing(written: Path) -> None:
    with open_store(written) as store:
        events, rows = list(store.events()), dict(store.rows().scan("specialists"))
    back = down(written, ADA)
    assert (back.before, back.after) == ("0002", "0001")
    assert back.copy is not None
    assert back.copy.exists()
    assert shape_of(written).revision == "0001"
    assert [step.revision for step in shape_of(written).pending] == ["0002"]
    forth = up(written)
    assert (forth.before, forth.after) == ("0001", "0002")
    assert forth.copy not in (None, back.copy)
    with open_store(written) as store:
        *before, first, second = store.events()
        assert before == events
        assert [first.data, second.data] == [
            {"from_revision": "0002", "to_revision": "0001"},
            {"from_revision": "0001", "to_revision": "0002"},
        ]
        assert first.metadata["actor"] == "ada"
        assert dict(store.rows().scan("specialists")) == rows
        assert_intact(store)


def test_what_is_up_to_date_is_left_alone(written: Path) -> None:
    done = up(written)
    assert (done.before, done.after, done.copy) == (REVISION, REVISION, None)
    assert shape_of(written).pending == ()
    assert [one.name for one in written.parent.iterdir()] == [written.name]


def test_the_steps_say_what_they_do(path: Path) -> None:
    shape = shape_of(path)
    assert (shape.revision, shape.newest, shape.pending) == ("", REVISION, ())
    assert tuple(step.revision for step in shape.steps) == REVISIONS
    assert all(step.what.endswith(".") for step in shape.steps)


@pytest.mark.parametrize("revision", ["0002", "0009", "base"])
def test_there_are_revisions_that_it_cannot_go_back_to(written: Path, revision: str) -> None:
    with pytest.raises(NoSuchRevision, match=f"'{revision}' is no older shape than 0002"):
        down(written, ADA, revision)


def test_the_log_itself_is_never_taken_back(written: Path) -> None:
    down(written, ADA, "0001")
    with pytest.raises(NoSuchRevision, match="0001 is the first shape there was"):
        down(written, ADA)


def test_nothing_is_done_while_somebody_is_writing(written: Path) -> None:
    with (
        open_store(written) as store,
        store.lease("apply", holder="host1:1"),
        pytest.raises(LeaseHeld, match="host1:1 is writing"),
    ):
        down(written, ADA)


def test_what_is_not_there_is_not_migrated(path: Path) -> None:
    for attempt in (lambda: up(path), lambda: down(path, ADA)):
        with pytest.raises(NotFound):
            attempt()
    assert not path.exists()


def test_a_newer_shape_is_told(written: Path) -> None:
    changed(written, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LogUnusable, match="has the shape 9999"):
        shape_of(written)


def test_at_the_terminal(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fleet(*words: str) -> str:
        assert run([*words, "--database", str(written)]) == 0
        return capsys.readouterr().out

    assert fleet("migrate", "status").startswith("the log has the newest shape, 0002\n  0001  done")
    assert fleet("migrate", "up") == "nothing to do: the log has the shape 0002\n"
    assert fleet("migrate", "down").startswith("the log went from shape 0002 to 0001; a copy from before is /")
    status = fleet("migrate", "status")
    assert "fleet migrate up brings it to 0002" in status
    assert "0002  to come" in status
    assert json.loads(fleet("migrate", "status", "--json"))["pending"][0]["revision"] == "0002"
    assert json.loads(fleet("migrate", "up", "--json"))["after"] == "0002"
    assert json.loads(fleet("migrate", "status", "--json"))["pending"] == []


def test_at_the_terminal_before_there_is_a_log(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "status", "--database", str(path)]) == 0
    assert capsys.readouterr().out == f"there is no log yet at {path}; a new one has the shape 0002\n"
    assert run(["migrate", "status", "--json", "--database", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] is None
    assert run(["migrate", "down", "--to", "0001", "--database", str(path)]) == 1
    assert "nothing has been applied here yet" in capsys.readouterr().err


def test_older_ways_back_meet_older_files(written: Path) -> None:
    taken_back(written, "0001")
    assert up(written).before == "0001"
