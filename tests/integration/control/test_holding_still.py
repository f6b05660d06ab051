"""Suspensions and freeze windows over a real log: what is left alone, who is told, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.control.cycle import converge
from reconciler.control.freeze import unless_frozen
from reconciler.control.look import look
from reconciler.control.reading import now_ms
from reconciler.control.suspending import resume, suspend
from reconciler.errors import FleetFrozen, NotFound, SpecInvalid
from reconciler.runtime.podman import Podman
from tests.integration.apply.yard import YES, Yard
from tests.support.podman import force_remove
from tests.support.simulated import IMAGE

WEB = f"web: {{image: '{IMAGE}', command: [serve]}}\napi: {{image: '{IMAGE}', command: [serve], replicas: 2}}"
ALWAYS = "reconcile: {freeze: [{start: '0 0 * * *', duration: 25h, why: the fair}]}"


def left_alone(yard: Yard) -> dict[str, str]:
    return {one.resource: one.why for one in yard.look().plan.unchanged if "suspended" in one.why}


def test_a_suspended_resource_stays_alone_until_it_is_resumed(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="a leak")
    sandbox.runtime.vanish("shop-web-1")  # type: ignore[union-attr]
    sandbox.runtime.vanish("shop-api-1")  # type: ignore[union-attr]
    assert sandbox.plan() == ["create service/api/1"]
    assert left_alone(sandbox) == {"service/web/1": "suspended by ada: a leak"}
    with sandbox.session() as session:
        resume(session, "service/web", why="found")
    assert sandbox.plan() == ["create service/api/1", "create service/web/1"]


def test_the_whole_fleet_and_one_replica(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    for name in ("shop-web-1", "shop-api-1", "shop-api-2"):
        sandbox.runtime.vanish(name)  # type: ignore[union-attr]
    with sandbox.session() as session:
        suspend(session, "", why="moving", for_ms=60_000)
    assert sandbox.plan() == []
    assert all(why.startswith("the fleet is suspended by ada until ") for why in left_alone(sandbox).values())
    with sandbox.session() as session:
        resume(session, "")
        suspend(session, "api/2", why="debugger")
    assert sandbox.plan() == ["create service/api/1", "create service/web/1"]


def test_it_ends_by_itself(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="for a moment", for_ms=1)
        until = now_ms() + 1
        while now_ms() <= until:
            pass
        with pytest.raises(NotFound, match="is not suspended"):
            resume(session, "web")
    assert left_alone(sandbox) == {}


def test_names_that_mean_nothing_and_files_that_are_wrong(sandbox: Yard) -> None:
    sandbox.write("web: {imag: x}")
    with sandbox.session() as session, pytest.raises(SpecInvalid):
        suspend(session, "web", why="x")
    sandbox.write(WEB)
    sandbox.must_apply()
    with sandbox.session() as session:
        with pytest.raises(NotFound, match="wbe"):
            suspend(session, "wbe", why="x")
        with pytest.raises(NotFound) as raised:
            resume(session, "web")
        assert raised.value.hint == "suspended now: nothing"
    sandbox.write("web: {imag: x}")
    with sandbox.session() as session:
        suspend(session, "web", why="the file is wrong, and this works all the same")
        resume(session, "web")


def test_a_frozen_fleet_takes_up_no_revision_and_heals(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    edited = WEB.replace("web: {", "web: {environment: {A: '1'}, ")
    sandbox.write(edited, more=ALWAYS)
    with pytest.raises(FleetFrozen, match="the fleet is frozen until .*: the fair; the edited file waits") as raised:
        sandbox.apply()
    assert (raised.value.exit_code, raised.value.code) == (7, "frozen")
    with sandbox.session() as session:
        assert converge(session, confirm=lambda _: YES, override_freeze=True).result is not None

    sandbox.runtime.vanish("shop-web-1")  # type: ignore[union-attr]
    sandbox.must_apply()
    # Taking the window out of the file is an edit, too.
    sandbox.write(WEB)
    with pytest.raises(FleetFrozen):
        sandbox.apply()


def test_the_loop_goes_on_with_the_last_good_revision_while_frozen(sandbox: Yard) -> None:
    sandbox.write(WEB, more=ALWAYS)
    with sandbox.session() as session:
        converge(session, confirm=lambda _: YES, override_freeze=True)
    sandbox.write(WEB.replace("replicas: 2", "replicas: 3"), more=ALWAYS)
    with sandbox.session() as session:
        assert look(session).plan.actions
        assert look(session, read=unless_frozen(now_ms)).settled


def test_the_commands_over_real_podman(yard: Yard, podman: Podman) -> None:
    service = "web: {image: 'localhost/fleet-busybox:1', command: [sleep, '3600'], stop_signal: SIGKILL}"
    yard.write(service)
    yard.must_apply()
    assert yard.run("suspend", check=False).returncode == 1
    said = json.loads(yard.run("suspend", "web", "--why", "a leak", "--for", "2h", "--json").stdout)
    assert (said["resource"], said["actor"]) == ("service/web", "ada")
    force_remove(podman, f"{yard.name}-web-1")
    assert "suspended by ada until" in yard.run("apply").stdout
    assert yard.states() == {}
    assert "suspended by ada until" in yard.run("status").stdout
    assert "a leak" in yard.run("plan").stdout
    status: Any = json.loads(yard.run("status", "--json").stdout)
    assert [(one["resource"], one["why"]) for one in status["suspensions"]] == [("service/web", "a leak")]
    assert "looked after again" in yard.run("resume", "web").stdout
    assert json.loads(yard.run("suspend", "--why", "all", "--json").stdout)["until"] is None
    assert "warning: the fleet is suspended by ada: all" in yard.run("status").stdout
    assert json.loads(yard.run("resume", "--json").stdout)["event"] == "resource_resumed"
    yard.run("apply")
    assert yard.states() == {"web-1": "running"}

    yard.write(service.replace("3600", "3601"), more=ALWAYS)
    refused = yard.run("apply", "--yes", check=False)
    assert refused.returncode == 7
    assert "--override-freeze" in refused.stderr
    assert "frozen until" in yard.run("status").stdout
    yard.run("apply", "--yes", "--override-freeze")
