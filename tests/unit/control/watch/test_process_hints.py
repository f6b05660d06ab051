"""Processes as hints: one that is gone rings once, and their logs are kept small on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.control.watch import processes as hints
from reconciler.control.watch.wake import Bell
from reconciler.errors import RuntimeUnreachable, ToolMissing
from reconciler.projections.rows import MemoryRows
from reconciler.runtime.absent import absent
from tests.support.crews import PretendedProcesses, process_seen


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_LOOK_S", 0.001)
    monkeypatch.setattr(hints, "_TRIM_EVERY", 1)


def rows(**states: str) -> MemoryRows:
    found = MemoryRows()
    for key, state in states.items():
        found.put("processes", key, {"pid": 1, "state": state})
    return found


def test_one_that_is_gone_rings_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[Path] = []
    monkeypatch.setattr(hints, "trim_all", trimmed.append)
    runtime, bell = PretendedProcesses(running={"evt_1": process_seen("evt_1")}), Bell()
    found = hints.ProcessHints(bell, lambda: runtime, tmp_path)
    found.set(rows(evt_1="running", evt_2="exited"))
    found.start()
    assert bell.wait(0.05) == frozenset()
    runtime.running.clear()
    assert bell.wait(20) == {"process"}
    assert bell.wait(0.05) == frozenset()
    found.set(None)
    found.stop()
    assert trimmed[0] == tmp_path


def test_what_cannot_be_read_rings_nothing(tmp_path: Path) -> None:
    def unreachable() -> PretendedProcesses:
        raise RuntimeUnreachable("no list")

    found = hints.ProcessHints(Bell(), unreachable, tmp_path)
    found.set(rows(evt_1="running"))
    assert not found._gone()
    found.stop()


def test_an_engine_that_is_not_there_says_why() -> None:
    engine = absent(ToolMissing("there is no podman"))
    with pytest.raises(ToolMissing, match="there is no podman"):
        engine.observe("p")
    with pytest.raises(ToolMissing):
        engine.logs("web", tail=3)
