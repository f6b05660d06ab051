"""`fleet checkpoint`, `fleet checkpoints` and `fleet resume`: work goes on after a crash."""

from __future__ import annotations

import pytest

from reconciler.control.desk import checkpoints, claiming, missions, reading, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.control.desk.messages import send
from reconciler.projections.store import Store
from reconciler.work.state import SortiePlan
from tests.support.terminal import Terminal

MINUTE = 60_000


@pytest.fixture
def at_work(desk: Desk) -> tuple[str, str, str]:
    """ann works on the only sortie of a mission and has a message: mission, sortie, ann."""
    ann = desk.run(specialists.register(name="ann")).value.id
    mission_id = desk.run(missions.create(title="Ship it")).value.id
    plan = SortiePlan(name="build", files=("src/a.py",))
    sortie_id = desk.run(sorties.create(title="Build it", mission_id=mission_id, plan=plan)).value.id
    desk.run(missions.start(mission_id))
    assert desk.run(claiming.claim(ann, lease_ms=10 * MINUTE)).value is not None
    desk.run(sorties.progress(sortie_id, ann, 40, message="half of it"))
    desk.run(send(ann, {"text": "mind the gap"}))
    return mission_id, sortie_id, ann


def test_before_anything_was_recorded(terminal: Terminal) -> None:
    assert terminal.fleet("checkpoints", "list").out == "no checkpoints\n"
    for words in (["checkpoint"], ["checkpoints", "prune"], ["checkpoints", "show"], ["resume", "--checkpoint", "x"]):
        assert terminal.fleet(*words).code == 1, words
    assert "is not suspended" in terminal.fleet("resume").err


def test_a_checkpoint_is_taken_listed_and_shown(terminal: Terminal, at_work: tuple[str, str, str]) -> None:
    mission_id, sortie_id, _ = at_work
    said = terminal.fleet("checkpoint", "--note", "before lunch").out
    assert said.endswith(f"of {mission_id}: Ship it: 0 of 1 sorties completed\n")
    mine = terminal.fleet("checkpoint", "--specialist", "ann", "--json").json
    assert mine[0]["active_sorties"] == [sortie_id]
    brief = terminal.fleet("checkpoint", "--mission", mission_id, "--ttl", "2h", "--json").json
    assert brief[0]["expires_at"] is not None
    lines = terminal.fleet("checkpoints", "list").out.splitlines()
    assert lines[0].split() == ["TAKEN", "WHY", "IN", "OF", "CHECKPOINT"]
    assert (len(lines), max(map(len, lines)) <= 80) == (4, True)
    listed = terminal.fleet("checkpoints", "list", "--mission", mission_id, "--json").json
    assert [one["kept_in"] for one in listed] == ["both", "both"]
    shown = terminal.fleet("checkpoints", "show", listed[1]["id"]).out
    assert "note: before lunch" in shown
    assert "open: 1 sortie, 1 reservation, 1 message" in shown
    assert "finish build “Build it” (40 % done)" in shown
    assert terminal.fleet("checkpoints", "show", "--prompt").out.startswith("You take over work that was interrupted.")
    assert terminal.fleet("checkpoints", "show", "latest", "--json").json["context"]["sorties"][sortie_id]
    assert terminal.fleet("checkpoint", "--mission", mission_id, "--specialist", "ann").code == 1
    assert terminal.fleet("checkpoint", "--specialist", "nobody").code == 1
    assert terminal.fleet("checkpoints", "prune").out == "nothing is old enough\n"
    gone = terminal.fleet("checkpoints", "prune", listed[0]["id"], "--json").json
    assert gone == {"pruned": [listed[0]["id"]]}
    assert terminal.fleet("checkpoints", "prune", listed[1]["id"]).out == f"{listed[1]['id']} is gone\n"


def test_nothing_under_way_is_a_checkpoint_of_everything(terminal: Terminal, desk: Desk) -> None:
    desk.run(sorties.create(title="Alone"))
    assert terminal.fleet("checkpoint").out.endswith(" of fleet\n")


def test_work_goes_on_with_another_specialist(terminal: Terminal, desk: Desk, at_work: tuple[str, str, str]) -> None:
    mission_id, sortie_id, ann = at_work
    key = terminal.fleet("checkpoint", "--json").json[0]["id"]
    bob = desk.run(specialists.register(name="bob")).value.id
    kept = terminal.fleet("resume", "--mission", mission_id).out
    assert "sortie “Build it” stays with ann, which was just heard of" in kept
    assert f"fleet resume --checkpoint {key} --gone ann" in kept
    done = terminal.fleet("resume", "--checkpoint", key, "--gone", "ann", "--on", "bob", "--json").json[0]
    assert (done["specialist_id"], done["sorties"], done["locks"]) == (bob, [sortie_id], ["src/a.py"])
    assert (len(done["messages"]), done["blockers"]) == (1, [])
    assert "half of it" in done["prompt"]
    assert terminal.fleet("resume", "service/web", "--checkpoint", key).code == 1
    again = terminal.fleet("resume", "--checkpoint", "latest", "--on", "ann")
    assert (again.code, "is gone and cannot go on" in again.err) == (1, True)


def test_what_is_told_of_work_that_was_taken_up(terminal: Terminal, desk: Desk, at_work: tuple[str, str, str]) -> None:
    terminal.fleet("checkpoint")
    desk.run(specialists.register(name="bob"))
    lines = terminal.fleet("resume", "--checkpoint", "latest", "--gone", "ann").out.splitlines()
    assert lines[0].endswith("of Ship it is taken up again by bob")
    assert lines[1:3] == ["  sortie “Build it” goes on", "  src/a.py is reserved again"]
    assert lines[3].endswith("waits anew")


def test_a_damaged_or_missing_file_is_warned_of(terminal: Terminal, at_work: tuple[str, str, str]) -> None:
    mission_id, _, _ = at_work
    keys = [terminal.fleet("checkpoint", "--json").json[0]["id"] for _ in range(2)]
    folder = terminal.directory / ".flightline" / "checkpoints" / mission_id
    (folder / f"{keys[1]}.json").write_text("{}")
    shown = terminal.fleet("checkpoints", "show")
    assert (shown.code, "damaged" in shown.err) == (0, True)
    (folder / f"{keys[1]}.json").unlink()
    assert "its file is missing" in terminal.fleet("resume", "--checkpoint", keys[1]).err
    (folder / "ckpt_0.json").write_text("{}")
    copy = (folder / f"{keys[0]}.json").read_text()
    listed = terminal.fleet("checkpoints", "list", "--json")
    assert [one["kept_in"] for one in listed.json] == ["log", "both"]
    assert "ckpt_0 is damaged" in listed.err
    assert terminal.fleet("checkpoints", "prune", keys[0]).code == 0
    (folder / f"{keys[0]}.json").write_text(copy)
    assert "file" in [one["kept_in"] for one in terminal.fleet("checkpoints", "list", "--json").json]


def test_resume_alone_takes_up_what_was_interrupted(
    terminal: Terminal, store: Store, at_work: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.cli import tending

    mission_id, sortie_id, _ = at_work
    terminal.fleet("checkpoint")
    later = tending.now_ms() + 6 * MINUTE
    monkeypatch.setattr(tending, "now_ms", lambda: later)
    (done,) = terminal.fleet("resume", "--json").json
    assert (done["mission_id"], done["held"]) == (
        mission_id,
        {sortie_id: reading.sortie(store.rows(), sortie_id).holder},
    )


def test_a_suspension_goes_first(terminal: Terminal, at_work: tuple[str, str, str]) -> None:
    terminal.fleet("checkpoint")
    terminal.fleet("suspend", "--why", "moving the rack")
    assert terminal.fleet("resume").out == "The fleet is looked after again.\n"


def test_progress_is_kept_in_a_file_when_a_command_brings_it_about(
    terminal: Terminal, desk: Desk, at_work: tuple[str, str, str]
) -> None:
    desk.run(checkpoints.take(mission_id=at_work[0]))
    assert terminal.fleet("checkpoints", "list", "--json").json[0]["kept_in"] == "log"
