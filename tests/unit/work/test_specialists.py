"""The life of a specialist, and what it leaves behind."""

from __future__ import annotations

import pytest

from reconciler.work import locks, reviews, sorties, specialists
from reconciler.work.refusals import AlreadyEnded, InputRefused, TransitionRefused

from .world import World


def at_work(world: World) -> None:
    """`w` holds sortie `s`, is assigned `t`, and has a lock; `r` reviews `u`."""
    world.register("w", pool="builder")
    world.register("r")
    world.new_sortie("s", retries=1)
    world.new_sortie("t")
    world.new_sortie("u", review_kind="code")
    world.append(sorties.complete(world.start("u", "w"), "w", {"success": True}, now_ms=world.now))
    world.append(reviews.start("rev", world.sortie("u"), "r", now_ms=world.now))
    world.assign("t", "w")
    world.assign("s", "w")
    world.append(sorties.start(world.sortie("s"), "w", now_ms=world.now, lease_ms=600_000))
    world.append(locks.reserve("l", "a.py", "w", [], now_ms=world.now, timeout_ms=600_000))


def everything(world: World) -> dict[str, object]:
    return {"sorties": world.sorties(), "locks": world.locks(), "now_ms": world.now}


def sweep(world: World, **more: object) -> list[str]:
    return world.append(specialists.sweep(world.specialists(), **everything(world), **more))  # type: ignore[arg-type]


def test_registering_again_updates_and_ends_the_draining(world: World) -> None:
    for wrong in ({"specialist_id": " ", "name": "x"}, {"specialist_id": "x", "name": ""}):
        world.refused(lambda wrong=wrong: specialists.register(**wrong, now_ms=0), InputRefused)
    world.register("w", "b", "a", "a")
    world.append(specialists.drain(world.specialist("w"), by="ada", now_ms=world.now))
    assert specialists.drain(world.specialist("w"), by="ada", now_ms=world.now) == []
    world.register("w", "c")
    again = world.specialist("w")
    assert (again.capabilities, again.draining, again.status) == (frozenset("c"), False, "active")


def test_a_spawned_one_is_known_before_it_registers(world: World) -> None:
    world.append(specialists.spawn("w", name="W", by="ada", now_ms=world.now, sortie_id="s", config={"pool": "p"}))
    assert world.specialist("w").answers_to("p")
    world.register("w")
    assert world.specialist("w").status == "active"


def test_heartbeats_say_busy_or_idle_and_bring_one_back(world: World) -> None:
    world.register("w")
    world.append(specialists.heartbeat(world.specialist("w"), now_ms=world.now, metrics={"memory_mb": 1.5}))
    assert world.specialist("w").status == "idle"
    world.append(specialists.heartbeat(world.specialist("w"), now_ms=world.now, current_sortie="s"))
    assert world.specialist("w").status == "busy"
    world.now += 60_000
    assert sweep(world) == []
    world.now += 1
    assert sweep(world) == ["specialist_deactivated"]
    assert sweep(world) == []
    world.append(specialists.heartbeat(world.specialist("w"), now_ms=world.now, status="active"))
    assert world.specialist("w").status == "active"


def test_silence_gives_everything_back(world: World) -> None:
    at_work(world)
    world.now += 45_000
    world.append(specialists.heartbeat(world.specialist("r"), now_ms=world.now))
    sweep(world, timeouts_ms={"builder": 30_000})
    assert world.specialist("w").status == "inactive"
    assert [(s.id, s.status, s.attempt - s.attempt_base) for s in world.sorties()] == [
        ("s", "pending", 1),
        ("t", "pending", 0),
        ("u", "review", 1),
    ]
    assert world.locks() == []
    assert world.rows.get("locks", "l")["release_reason"] == "crash"  # type: ignore[index]
    assert sweep(world) == []


def test_a_review_of_one_that_is_gone_is_given_up(world: World) -> None:
    at_work(world)
    world.now += 60_001
    world.append(specialists.heartbeat(world.specialist("w"), now_ms=world.now, current_sortie="s"))
    assert sweep(world, reviews=[world.review("rev")]) == ["specialist_deactivated", "review_abandoned"]
    assert sweep(world, reviews=[world.review("rev")]) == []


def test_time_alone_ends_leases_and_locks(world: World) -> None:
    at_work(world)
    for _ in range(11):
        world.now += 55_000
        for name in ("w", "r"):
            world.append(specialists.heartbeat(world.specialist(name), now_ms=world.now))
    assert sweep(world) == ["sortie_lease_expired", "sortie_attempt_failed", "sortie_status_changed", "ctk_released"]
    assert world.lock("l").status == "expired"


@pytest.mark.parametrize("how", ["deactivate", "complete"])
def test_leaving_hands_everything_back_and_costs_no_attempt(world: World, how: str) -> None:
    at_work(world)
    w = world.specialist("w")
    if how == "deactivate":
        world.append(specialists.deactivate(w, **everything(world), by="ada"))  # type: ignore[arg-type]
    else:
        world.append(specialists.complete(w, **everything(world), summary="bye", final_checkpoint_id="ckpt_1"))  # type: ignore[arg-type]
    assert [s.status for s in world.sorties()] == ["pending", "pending", "review"]
    assert world.sortie("s").attempt == world.sortie("s").attempt_base
    assert (world.locks(), world.specialist("w").current_sortie) == ([], None)
    gone = world.specialist("w")
    kind = TransitionRefused if how == "deactivate" else AlreadyEnded
    world.refused(lambda: specialists.deactivate(gone, [], [], by="ada", now_ms=world.now), kind)
    if how == "complete":
        world.refused(lambda: specialists.heartbeat(gone, now_ms=world.now), AlreadyEnded)


def test_a_leaving_reviewer_lets_go_of_its_review(world: World) -> None:
    at_work(world)
    r = world.specialist("r")
    types = world.append(specialists.complete(r, [], [], now_ms=world.now, reviews=[world.review("rev")]))
    assert types == ["review_abandoned", "specialist_completed"]
