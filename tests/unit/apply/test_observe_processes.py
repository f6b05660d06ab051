"""Looks at processes: what becomes news, and what an open intent accounts for."""

from __future__ import annotations

from typing import Any

from reconciler.apply.observe_processes import ownership, process_observations
from reconciler.projections.pools import ProjectedPool, ProjectedProcess
from reconciler.projections.projected import Projected, ProjectedIntent
from reconciler.runtime.process.model import ObservedProcess, ObservedProcesses
from tests.support.crews import process_seen, told

NOW = 1_700_000_100_000
INTENT = "0190c2a0000070008000000000000001"


def known(process_id: str = "evt_1", **more: Any) -> ProjectedProcess:
    values: dict[str, Any] = {"pool": "builder", "replica": 1, "process_id": process_id, "pid": 4_711, "digest": "v1:a"}
    return ProjectedProcess(**{**values, **more})


def log(*processes: ProjectedProcess, action: str = "", **pool: Any) -> Projected:
    found = ProjectedPool("builder", {"name": "builder"}, "v1:a", processes=processes, **pool)
    intent = ProjectedIntent(INTENT, action, "specialist/builder", 1, "apply_1")
    return Projected(pools={"builder": found}, intents={INTENT: intent} if action else {})


def look(projected: Projected, *seen: ObservedProcess, **more: Any) -> list[str]:
    return told(process_observations(projected, ObservedProcesses(seen, **more), now_ms=NOW))


def test_what_is_as_the_log_has_it_is_no_news() -> None:
    assert look(log(known(), known("evt_2", state="exited")), process_seen("evt_1")) == []


def test_one_that_ended_by_itself() -> None:
    assert look(log(known())) == ["specialist_process_exited builder/1"]
    assert look(log(known()), exit_codes={"evt_1": 3}) == ["specialist_process_exited builder/1 exit_code=3"]
    assert look(log(known()), unknown=frozenset({4_711})) == []


def test_one_that_an_open_intent_was_to_end() -> None:
    for action in ("stop", "replace", "delete"):
        assert look(log(known(), action=action)) == [f"specialist_process_stopped builder/1 intent_id=evt_{INTENT}"]
    assert look(log(known(), action="start")) == ["specialist_process_exited builder/1"]


def test_one_that_somebody_wanted_down() -> None:
    assert look(log(known(), wanted="down", draining=(0,))) == ["specialist_process_stopped builder/1"]
    assert look(log(known(), stopped=(1,))) == ["specialist_process_stopped builder/1"]


def test_one_that_stands_still_and_goes_on() -> None:
    paused = process_seen("evt_1", state="paused")
    assert look(log(known()), paused) == ["specialist_process_paused builder/1"]
    assert look(log(known(state="paused")), paused) == []
    again = log(known(state="paused"))
    assert look(again, process_seen("evt_1")) == ["specialist_process_resumed builder/1 external=True"]
    ours = log(known(state="paused"), action="start")
    assert look(ours, process_seen("evt_1")) == [f"specialist_process_resumed builder/1 intent_id=evt_{INTENT}"]


def test_one_that_the_log_does_not_know() -> None:
    found = f"specialist_process_found builder/1 digest=v1:a intent_id=evt_{INTENT} pid=4711"
    assert look(log(action="create"), process_seen(f"evt_{INTENT}")) == [found]
    (event,) = process_observations(
        log(action="create"), ObservedProcesses((process_seen(f"evt_{INTENT}"),)), now_ms=NOW
    )
    assert event.causation_id is not None
    assert event.causation_id.hex == INTENT
    assert look(log(), process_seen(f"evt_{INTENT}", state="paused")) == [found, "specialist_process_paused builder/1"]
    assert look(log(known(state="exited")), process_seen("evt_1"))[0].startswith("specialist_process_found builder/1")


def test_marks_that_name_no_specialist_are_nobodys() -> None:
    for labels in ({"fleet.resource": "service/web"}, {"fleet.replica": "x"}, {"fleet.replica": "0"}):
        seen = process_seen("evt_2")
        broken = process_seen("evt_2", labels={**seen.labels, **labels})
        assert ownership(broken) is None
        assert look(log(), broken) == []


def test_the_same_look_gives_the_same_events() -> None:
    observed = ObservedProcesses((process_seen("evt_2"),))
    first, second = (process_observations(log(known()), observed, now_ms=NOW) for _ in range(2))
    assert [one.event_id for one in first] == [one.event_id for one in second]
