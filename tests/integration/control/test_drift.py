"""Drift: what the world did to a fleet in memory, each kind on its own, and the command over real Podman."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.control.drift import DriftReport, drift
from reconciler.errors import NotFound
from reconciler.events.envelope import Cause, NewEvent
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import ServiceSpec
from tests.integration.apply.yard import Yard
from tests.support.podman import BUSYBOX, force_remove
from tests.support.simulated import IMAGE

WEB = f"web: {{image: '{IMAGE}', command: [serve]}}"


def found(yard: Yard) -> DriftReport:
    with yard.session() as session:
        return drift(session)


def told(yard: Yard) -> list[tuple[str, str, Any, Any, str]]:
    return [(one.resource, one.field, one.expected, one.actual, one.cause) for one in found(yard).drifts]


def test_before_anything_was_applied(sandbox: Yard) -> None:
    sandbox.write(WEB)
    with pytest.raises(NotFound, match="nothing can have drifted"):
        found(sandbox)
    assert not sandbox.data.exists()


def test_nothing_drifted_and_an_edit_of_the_file_is_no_drift(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    sandbox.write(WEB.replace("serve", "serve, more"))
    report = found(sandbox)
    assert (report.found, report.drifts) == (False, ())


@pytest.mark.parametrize(
    ("what", "field", "expected", "actual", "cause"),
    [
        ("end", "state", "running", "exited (137)", "container web/1 exited with code 137; Fleet did not do it"),
        ("oom", "state", "running", "exited (137)", "ran out of memory and was killed; Fleet did not do it"),
        ("pause", "state", "running", "paused", "container web/1 was paused; Fleet did not do it"),
        ("vanish", "state", "running", "missing", "container web/1 is gone; Fleet did not remove it"),
        ("rename", "name", "shop-web-1", "mine", "drifted: name is 'mine', expected 'shop-web-1'"),
        ("retag", "image", None, None, "was re-tagged: it points to another image now"),
    ],
)
def test_what_the_world_did(sandbox: Yard, what: str, field: str, expected: Any, actual: Any, cause: str) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    happen(sandbox, what)
    head = sandbox.head()
    (one,) = found(sandbox).drifts
    assert (one.resource, one.field) == ("service/web/1", field)
    assert expected is None or (one.expected, one.actual) == (expected, actual)
    assert cause in one.cause
    assert not one.recorded
    assert sandbox.head() == head


def happen(yard: Yard, what: str) -> None:
    engine: Any = yard.runtime
    match what:
        case "end":
            engine.end("shop-web-1", 137)
        case "oom":
            engine.end("shop-web-1", 137, oom_killed=True)
        case "rename":
            engine.rename("shop-web-1", "mine")
        case "retag":
            engine.images[IMAGE] = "sha256:" + "9" * 64
        case _:
            getattr(engine, what)("shop-web-1")


def test_a_network_that_somebody_removed(sandbox: Yard) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    sandbox.runtime.networks_made.clear()  # type: ignore[union-attr]
    assert [(one[0], one[3]) for one in told(sandbox)] == [("network/default", "missing")]


def test_what_is_in_the_log_already_is_still_drift_and_says_since_when(sandbox: Yard) -> None:
    sandbox.write(WEB, more="reconcile: {self_heal: false}")
    sandbox.must_apply()
    sandbox.runtime.pause("shop-web-1")  # type: ignore[union-attr]
    with sandbox.session() as session:
        from reconciler.control.look import look

        seen = look(session).observations
    with open_store(sandbox.database) as store:
        store.append(list(seen), Cause("fleet", "watch"))
    (one,) = found(sandbox).drifts
    assert (one.actual, one.recorded, one.since > 0) == ("paused", True, True)


def test_wanted_down_and_started_by_somebody(sandbox: Yard) -> None:
    from reconciler.control.requests import stop_requests

    sandbox.write(WEB)
    sandbox.must_apply()
    sandbox.apply(requests=stop_requests(sandbox.look().projected, ["web"]))
    assert told(sandbox) == []
    sandbox.runtime.start(sandbox.containers()["shop-web-1"].container_id)
    assert [one[1:4] for one in told(sandbox)] == [("state", "stopped", "running")]


def test_one_that_ends_by_its_own_policy_and_a_job_that_is_done(sandbox: Yard) -> None:
    sandbox.write(
        f"web: {{image: '{IMAGE}', command: [serve], restart: 'no'}}\njob: {{image: '{IMAGE}', kind: job, command: ['true']}}"
    )
    sandbox.must_apply()
    sandbox.runtime.end("shop-web-1", 0)  # type: ignore[union-attr]
    assert told(sandbox) == []


def test_exceptions_are_shown_and_run_out(sandbox: Yard) -> None:
    rules = (
        "reconcile: {ignore_drift: [{resource: service/web, field: state, why: an experiment, until: '2030-01-01'}]}"
    )
    sandbox.write(WEB, more=rules)
    sandbox.must_apply()
    sandbox.runtime.pause("shop-web-1")  # type: ignore[union-attr]
    report = found(sandbox)
    assert not report.found
    assert [one.ignored for one in report.drifts] == ["ignored: an experiment"]
    assert [(one.source, one.expired) for one in report.ignores] == [("file", False)]

    sandbox.write(WEB, more=rules.replace("2030", "2020"))
    report = found(sandbox)
    assert report.found
    assert [one.expired for one in report.ignores] == [True]

    sandbox.write("web: {imag: x}")
    report = found(sandbox)
    assert not report.found
    assert "last good revision" in report.warnings[0]

    event = NewEvent("drift_ignored", "fleet", "shop", {"resource": "service/web", "field": "*", "until": 1})
    with open_store(sandbox.database) as store:
        store.append([event], Cause("ada", "cli"))
    assert [(one.source, one.until, one.expired) for one in found(sandbox).ignores][1:] == [("event by ada", 1, True)]


def test_the_command_over_real_podman(yard: Yard, podman: Podman) -> None:
    yard.write("web: {image: 'localhost/fleet-busybox:1', command: [sleep, '3600'], stop_signal: SIGKILL}")
    yard.must_apply()
    assert "Nothing drifted" in yard.run("drift").stdout
    force_remove(podman, f"{yard.name}-web-1")
    head = yard.head()
    said = yard.run("drift", "--json", check=False)
    assert said.returncode == 2
    (one,) = json.loads(said.stdout)["drifts"]
    assert (one["resource"], one["field"], one["actual"]) == ("service/web/1", "state", "missing")
    text = yard.run("drift", check=False).stdout
    assert "service/web/1  state: running → missing" in text
    assert yard.head() == head


def test_what_a_rule_hides_is_recorded_when_it_first_does(sandbox: Yard) -> None:
    rules = "reconcile: {ignore_drift: [{resource: service/web, field: state, why: an experiment}]}"
    sandbox.write(WEB, more=rules)
    sandbox.must_apply()
    assert "drift_ignored" not in sandbox.types()
    sandbox.runtime.pause("shop-web-1")  # type: ignore[union-attr]
    head = sandbox.head()
    sandbox.apply()
    sandbox.apply()
    (hidden,) = [one for one in sandbox.events(EventQuery(after=head)) if one.event_type == "drift_ignored"]
    assert hidden.data["resource"] == "service/web/1"
    assert (hidden.data["field"], hidden.data["why"], hidden.data["by_file"]) == ("state", "an experiment", True)
    assert len(found(sandbox).ignores) == 1, "the rule is the file's and is listed once"

    sandbox.write(WEB, more=rules.replace("an experiment", "for good"))
    sandbox.apply()
    assert sandbox.types(after=hidden.sequence_number).count("drift_ignored") == 1
    sandbox.write(WEB)
    sandbox.must_apply()
    assert sandbox.states() == {"web-1": "running"}, "without its rule nothing is hidden any more"


@pytest.mark.parametrize("relabelled", ["tier", "fleet.digest", "fleet.project"])
def test_labels_changed_by_hand_are_drift_and_put_right(yard: Yard, podman: Podman, relabelled: str) -> None:
    """The engine cannot label a container anew, so by hand it is made again under its name, with other labels."""
    name = f"{yard.name}-web-1"
    yard.write(
        "web: {image: 'localhost/fleet-busybox:1', command: [sleep, '3600'], stop_signal: SIGKILL, labels: {tier: front}}"
    )
    yard.must_apply()
    labels = dict(yard.containers()[name].labels)
    force_remove(podman, name)
    spec = ServiceSpec(name="web", image=BUSYBOX, command=("sleep", "3600"), stop_signal="SIGKILL")
    order = ContainerOrder(spec, name, BUSYBOX, labels={**labels, relabelled: "another"})
    by_hand = podman.create(order)
    podman.start(by_hand)
    try:
        drifts = {(one.field, one.actual if one.field == "state" else "") for one in found(yard).drifts}
        if relabelled == "fleet.project":
            # Nothing says that this one is ours any more: ours is gone, and its name is taken.
            assert drifts == {("state", "missing")}
            result = yard.apply()
            assert result is not None
            assert "taken by" in result.failures[0].why
            assert podman.inspect(by_hand).container.state == "running"
            return
        assert ("labels", "") in drifts or relabelled == "fleet.digest"
        assert drifts
        yard.must_apply()
        assert dict(yard.containers()[name].labels)["tier"] == "front"
        assert yard.containers()[name].container_id != by_hand
        assert yard.plan() == []
    finally:
        force_remove(podman, by_hand)
