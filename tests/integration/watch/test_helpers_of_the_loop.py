"""The threads beside the loop: file notices, the engine's events, and health checks, each for itself."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.control.watch.checks import HealthChecks
from reconciler.control.watch.files import FileWatcher, _Notices
from reconciler.control.watch.hints import EngineHints
from reconciler.control.watch.wake import Bell
from reconciler.control.watch.watched import Watched
from reconciler.errors import RuntimeUnreachable
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import PATIENCE, until
from tests.support.simulated import IMAGE, SimulatedRuntime

CHECKED = f"web:\n  image: {IMAGE}\n  command: [serve]\n  healthcheck: {{test: [CMD, 'true'], interval: 50ms}}"


def _now() -> int:
    return time.time_ns() // 1_000_000


def test_where_there_can_be_no_notices_files_are_watched_all_the_same(tmp_path: Path) -> None:
    bell, told = Bell(), []
    folder = tmp_path / "context"
    folder.mkdir()
    watcher = FileWatcher(bell, tell=told.append)
    file = tmp_path / "fleet.yaml"
    wanted = Watched(frozenset({file}), (), frozenset({folder}))
    watcher.watch(wanted)
    assert bell.wait(PATIENCE) == {"file"}
    # A folder that has gone by the time that somebody listens is what the operating system refuses.
    watcher._notices[0].stop()
    refused = _Notices({tmp_path / "gone"}, False, watcher.check, watcher._without_notices)
    until(lambda: told, "it was never told")
    assert told[0].startswith("no notices from the file system")
    file.write_text("x")
    assert "file" in bell.wait(PATIENCE)
    refused.stop()
    watcher.stop()


def test_watching_the_same_again_is_no_news_and_other_files_are(tmp_path: Path) -> None:
    bell = Bell()
    watcher = FileWatcher(bell)
    one, two = (Watched(frozenset({tmp_path / name / "fleet.yaml"})) for name in ("a", "b"))
    (tmp_path / "b").mkdir()
    watcher.watch(one)
    assert bell.wait(PATIENCE) == {"file"}
    watcher.watch(one)
    assert bell.wait(0) == frozenset()
    watcher.watch(two)
    assert bell.wait(PATIENCE) == {"file"}
    watcher.stop()


def test_the_engine_hints_and_is_listened_to_again_after_it_went_away(sandboxed: Yard) -> None:
    engine, bell = sandboxed.runtime, Bell()
    assert isinstance(engine, SimulatedRuntime)
    sandboxed.write(f"web:\n  image: {IMAGE}\n  command: [serve]")
    engine.fail("events", error=RuntimeUnreachable("nobody answers"))
    hints = EngineHints(bell, lambda: engine, sandboxed.label)
    hints.start()
    until(lambda: "events" in " ".join(engine.calls), "it never listened")
    sandboxed.must_apply()
    rang = False
    end = time.monotonic() + PATIENCE
    while not rang and time.monotonic() < end:
        engine.end(f"{sandboxed.name}-web-1", 1)
        rang = "engine" in bell.wait(0.5)
        sandboxed.apply()
    assert rang
    hints.stop()


def test_checks_are_run_on_their_own_schedule_and_only_news_rings(sandboxed: Yard) -> None:
    engine, bell = sandboxed.runtime, Bell()
    assert isinstance(engine, SimulatedRuntime)
    sandboxed.write(CHECKED)
    sandboxed.must_apply()
    checks = HealthChecks(bell, lambda: engine, _now)
    checks.start()
    seen = sandboxed.look()
    checks.set(seen.desired, seen.projected)
    before = " ".join(engine.calls).count("run_healthcheck")
    until(lambda: " ".join(engine.calls).count("run_healthcheck") > before + 2, "no check was run")
    assert bell.wait(0) == frozenset()
    engine.checks[f"{sandboxed.name}-web-1"] = False
    assert bell.wait(PATIENCE) == {"health"}
    engine.fail("run_healthcheck", error=RuntimeUnreachable("nobody answers"))
    checks.stop()
