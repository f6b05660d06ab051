"""A small world of agents: specialists, sorties, missions, reviews and messages in every state that matters here."""

from __future__ import annotations

from typing import Any

from reconciler.control.desk import checkpoints, locks, messages, missions, sorties, specialists
from reconciler.control.desk.desk import Desk, Work
from reconciler.events.envelope import Cause
from reconciler.ids import new_id
from reconciler.projections.store import Store

World = dict[str, str]
DONE = {"success": True, "summary": "done"}


def build_world(store: Store) -> World:
    """Make it in one transaction; the ids by what the things are."""
    return Desk(store, Cause("a test", "cli")).run(_make).value


def _make(work: Work) -> World:
    made: World = {}

    def specialist(name: str, *, gone: bool = False) -> str:
        made[name] = specialists.register(name=name, capabilities=["python"])(work).id
        if gone:
            specialists.complete(made[name])(work)
        return made[name]

    def sortie(name: str, **facts: Any) -> str:
        made[name] = sorties.create(title=name, **facts)(work).id
        return made[name]

    specialist("idle")
    specialist("other")
    specialist("gone", gone=True)
    sortie("pending", assigned_to=new_id("nobody"))
    sortie("free")
    for name in ("running", "blocked", "reviewed", "finished", "cancelled", "failed"):
        worker = specialist(f"{name}_by")
        sortie(name, assigned_to=worker, **({"metadata": {"review": {"kind": "code"}}} if name == "reviewed" else {}))
        if name == "cancelled":
            sorties.cancel(made[name], by="a test")(work)
            continue
        sorties.assign(made[name], worker, by="a test")(work)
        sorties.start(made[name], worker, lease_ms=60_000)(work)
    sorties.block(made["blocked"], made["blocked_by"], reason="waiting", blocker_type="external")(work)
    sorties.complete(made["reviewed"], made["reviewed_by"], DONE)(work)
    sorties.complete(made["finished"], made["finished_by"], DONE)(work)
    sorties.fail(made["failed"], made["failed_by"], error="broken")(work)
    made["review"] = sorties.review(made["reviewed"], made["other"])(work)
    _missions(work, made)
    _squawk(work, made)
    made["checkpoint"] = checkpoints.take(specialist_id=made["running_by"])(work)["id"]
    return made


def _missions(work: Work, made: World) -> None:
    def mission(name: str) -> str:
        made[name] = missions.create(title=name)(work).id
        return made[name]

    mission("mission")
    made["in_mission"] = sorties.create(title="in it", mission_id=mission("open_mission"), assigned_to="nobody")(
        work
    ).id
    missions.start(made["open_mission"])(work)
    missions.cancel(mission("ended_mission"), by="a test")(work)


def _squawk(work: Work, made: World) -> None:
    made["mailbox"] = new_id("box")
    for name in ("message", "acked"):
        made[name] = messages.send(made["mailbox"], {"text": name}, sender_id=made["idle"])(work).id
    messages.ack(made["acked"], made["other"])(work)
    for name in ("thread", "closed"):
        made[name] = messages.open_thread([made["idle"], made["other"]], title=name)(work).id
    messages.change_thread(made["closed"], made["idle"], "close")(work)
    (lock,) = locks.reserve([f"src/{made['idle']}.py"], made["idle"])(work)
    made["lock"] = lock.id
