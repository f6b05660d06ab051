"""Kill -9 at every event boundary of an apply against real Podman: the next apply converges by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.ops.verify import verify
from reconciler.paths import project_hash
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.podman import Podman
from tests.integration.apply.yard import Yard
from tests.support.podman import BUSYBOX

SLEEPER = f"image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL"
HEALTHY = "healthcheck: {test: [CMD, 'true'], interval: 200ms, timeout: 2s, retries: 5}"

ONE = f"""
db: {{{SLEEPER}, {HEALTHY}, volumes: ['data:/data'], secrets: [{{source: p, target: /run/p}}]}}
web: {{{SLEEPER}, configs: [{{source: ./conf, target: /etc/conf}}], depends_on: {{db: healthy}}}}
"""
TWO = f"""
db: {{{SLEEPER}, {HEALTHY}, volumes: ['data:/data'], environment: {{A: b}}, update: {{auto_revert: true}}}}
web: {{{SLEEPER}, configs: [{{source: ./conf, target: /etc/conf}}], environment: {{A: b}}, update: {{order: start-first}}}}
"""
MORE = "volumes: {data: {}}\nsecrets: {p: {env: P}}"
# One step there and one step back: after both a project is as it was.
REPLACING = "every way of replacing"
SCENARIOS = {"everything comes and goes": ("", ONE), REPLACING: (ONE, TWO)}


@pytest.fixture
def yard(
    tmp_path: Path,
    podman: Podman,
    podman_socket: str,
    busybox_image: str,
    unique_name: str,
    clean_up: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Yard:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "conf").write_text("content")
    clean_up(project_hash(folder))
    made = Yard(folder, tmp_path / "data", unique_name, podman, podman_socket)
    made.environ["P"] = "a secret value"
    return made


def die(yard: Yard, nth: int, parallel: int) -> bool:
    """Run an apply that is killed; False when it came to its end before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.dying", str(yard.folder), str(nth), str(parallel)],
        cwd=Path(__file__).parents[2],
        env={**yard.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("parallel", "step"), [(1, 1), (4, 5)])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_after_kill_9_the_next_apply_converges(yard: Yard, scenario: str, parallel: int, step: int) -> None:
    """With several threads the order of effects varies from run to run, so every fifth instant is tried there."""
    there_and_back = SCENARIOS[scenario]
    yard.write(there_and_back[0], more=MORE)
    yard.apply()
    lived = [False, False]
    deaths = 0
    for nth in range(1, 200, step):
        for direction, wanted in ((0, there_and_back[1]), (1, there_and_back[0])):
            yard.write(wanted, more=MORE)
            # Replacing there and back is the same thing twice, so each instant is tried on one of the two ways.
            if lived[direction] or (scenario == REPLACING and (nth // step + direction) % 2):
                yard.must_apply()
                continue
            lived[direction] = not die(yard, nth, parallel)
            deaths += not lived[direction]
            _settle(yard, parallel)
            _check(yard, wanted, f"killed after effect {nth} on the way {('there', 'back')[direction]}")
        if all(lived):
            break
    assert deaths > 3


def _settle(yard: Yard, parallel: int) -> None:
    """The next apply; and one more for as long as what other threads had asked of the engine still comes to pass."""
    yard.apply()
    for _ in range(5 if parallel > 1 else 0):
        head = yard.head()
        yard.apply()
        if yard.head() == head:
            return


def _check(yard: Yard, wanted: str, told: str) -> None:
    names = {"db-1": "running", "web-1": "running"} if wanted else {}
    assert yard.states() == names, told
    assert len(yard.runtime.observe(yard.label).containers) == len(names), told
    assert yard.plan() == [], told
    head = yard.head()
    assert yard.apply() is None, told
    assert [(one.event_type, one.data) for one in yard.events(EventQuery(after=head))] == [], told
    if wanted:
        assert yard.runtime.exec(f"{yard.name}-web-1", ("cat", "/etc/conf")) == (0, b"content"), told
    with open_store(yard.database, mode="read") as store:
        recorded = {(one.container_id, one.name) for one in store.projected().all_containers()}
    assert recorded == {(one.container_id, one.name) for one in yard.containers().values()}, told
    report = verify(yard.database)
    assert report.sound, (told, report.faults)
