"""Checkpoints before compaction, at an end and at a start, and missions that are taken up by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.control.checkpoints import interrupted as finding
from reconciler.control.checkpoints.occasions import at_end, at_start, take_before, tidy
from reconciler.control.desk import checkpoints, claiming, missions, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.control.project import Project
from reconciler.control.session import open_session
from reconciler.control.tending import Tending
from reconciler.events.envelope import Cause
from reconciler.projections.store import Store
from reconciler.spec.desired import DatabaseSettings, Desired
from reconciler.work.refusals import TransitionRefused
from reconciler.work.state import SortiePlan
from tests.support.terminal import Terminal

MINUTE = 60_000


def begin(desk: Desk) -> str:
    """A mission that ann works on."""
    ann = desk.run(specialists.register(name="ann")).value.id
    mission_id = desk.run(missions.create(title="Ship it")).value.id
    desk.run(sorties.create(title="Build it", mission_id=mission_id, plan=SortiePlan(retries=1)))
    desk.run(missions.start(mission_id))
    assert desk.run(claiming.claim(ann)).value is not None
    return mission_id


def triggers(store: Store) -> list[str]:
    return [row["trigger"] for _, row in store.rows().scan("checkpoints")]


def project_of(terminal: Terminal) -> Project:
    directory = terminal.directory
    return Project(file=directory / "fleet.yaml", directory=directory, database=str(terminal.database))


def test_nothing_is_taken_where_nothing_is_under_way(store: Store, tmp_path: Path, terminal: Terminal) -> None:
    assert take_before(store, Cause("ada", "cli"), tmp_path, "compaction") == 0
    with open_session(project_of(terminal)) as session:
        assert at_start(session, 0, print) == 0
        at_end(session)
    assert store.head() == 0


def test_compaction_keeps_a_checkpoint_first(terminal: Terminal, desk: Desk, store: Store) -> None:
    begin(desk)
    assert terminal.fleet("compact").code == 0
    assert triggers(store) == ["compaction"]
    assert terminal.fleet("checkpoints", "list", "--json").json[0]["kept_in"] == "both"


def test_who_stays_writes_the_files_that_are_missing(terminal: Terminal, desk: Desk, store: Store) -> None:
    begin(desk)
    terminal.fleet("checkpoint")
    (file,) = (terminal.directory / ".flightline" / "checkpoints").glob("*/ckpt_*.json")
    file.unlink()
    with open_session(project_of(terminal)) as session:
        desired = Desired(name="shop", project=str(terminal.directory), database=DatabaseSettings())
        tending = Tending(session, lambda: desired, _Quiet(), lambda: 0)  # type: ignore[arg-type]
        tending.tend()
    assert file.exists()
    assert len(triggers(store)) == 1


def test_who_stays_lets_go_of_old_checkpoints(terminal: Terminal, desk: Desk, store: Store) -> None:
    mission_id = begin(desk)
    terminal.fleet("checkpoint", "--mission", mission_id, "--ttl", "1h")
    (row,) = (row for _, row in store.rows().scan("checkpoints"))
    cause = Cause("fleet", "watch")
    assert tidy(store, cause, terminal.directory, row["expires_at"] - 1) == 0
    assert tidy(store, cause, terminal.directory, row["expires_at"]) == 0
    assert triggers(store) == ["manual"]
    desk.run(checkpoints.take(mission_id=mission_id, ttl_hours=1e-9))
    assert tidy(store, cause, terminal.directory, row["expires_at"]) == 1
    assert triggers(store) == ["manual"]


class _Quiet:
    def tell(self, *_: object, **__: object) -> None:
        """Say nothing."""


def test_an_end_leaves_a_checkpoint(terminal: Terminal, desk: Desk, store: Store) -> None:
    begin(desk)
    with open_session(project_of(terminal)) as session:
        at_end(session)
    assert triggers(store) == ["shutdown"]


def test_a_start_tells_of_what_was_interrupted_or_takes_it_up(terminal: Terminal, desk: Desk, store: Store) -> None:
    begin(desk)
    terminal.fleet("checkpoint")
    told: list[str] = []
    now = next(row["created_at"] for _, row in store.rows().scan("checkpoints"))
    later = now + 6 * MINUTE
    with open_session(project_of(terminal)) as session:
        assert at_start(session, now, told.append, auto_resume=True) == 0
        assert at_start(session, later, told.append) == 1
        assert at_start(session, later, told.append, auto_resume=True) == 1
    assert "mission Ship it seems to have been interrupted" in told[0]
    assert "mission Ship it was interrupted and is taken up again from ckpt_" in told[1]


def test_what_cannot_be_taken_up_is_told(
    terminal: Terminal, desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(desk)
    terminal.fleet("checkpoint")
    (row,) = (row for _, row in store.rows().scan("checkpoints"))

    def no(*_: object, **__: object) -> None:
        raise TransitionRefused("somebody was faster")

    monkeypatch.setattr(finding, "resume", no)
    told: list[str] = []
    with open_session(project_of(terminal)) as session:
        at_start(session, row["created_at"] + 6 * MINUTE, told.append, auto_resume=True)
    assert told == ["mission Ship it cannot be taken up again: somebody was faster"]
