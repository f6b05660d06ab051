"""Real `fleet worker` processes on one log: one of them is killed, and nothing of it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Desk, Work
from reconciler.events.envelope import Cause
from reconciler.paths import project_data_dir
from reconciler.projections.store import open_store
from reconciler.spec.desired import MissionSpec, SortieSpec
from reconciler.work import missions
from tests.support.installed import FLEET

FILE = """\
version: 1
name: shop
specialists:
  builder: {replicas: 2, heartbeat: {interval: 200ms, timeout: 1500ms}}
"""


def sortie(name: str, run: str, *depends_on: str, retries: int = 0) -> SortieSpec:
    return SortieSpec(name=name, title=name, run=run, depends_on=depends_on, retries=retries, retry_delay_ms=1)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "(zombie)" not in status.read_text()


def test_a_killed_worker_leaves_nothing_running_and_its_sortie_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "fleet.yaml").write_text(FILE)
    # Its first attempt never ends by itself.
    slow = "echo $$ > pid.$FLEET_ATTEMPT; test $FLEET_ATTEMPT = 2 || sleep 600"
    spec = MissionSpec(
        name="m",
        title="M",
        sorties={"slow": sortie("slow", slow, retries=2), "last": sortie("last", "echo all done", "slow")},
    )

    def begin(work: Work) -> str:
        mission_id = work.new_id("msn")
        ids = {name: work.new_id("sortie") for name in spec.sorties}
        work.record(missions.declare(spec, mission_id, ids, now_ms=work.now_ms))
        mission = reading.mission(work.rows, mission_id)
        work.record(missions.start(mission, reading.sorties(work.rows), now_ms=work.now_ms))
        return mission_id

    with open_store(project_data_dir(project) / "squawk.db") as store:
        desk = Desk(store, Cause("tester", "cli"))
        mission_id = desk.run(begin).value
        workers = [_worker(project, 1)]
        try:
            wait_until((project / "pid.1").exists)
            wait_until(lambda: (project / "pid.1").read_text() != "")
            os.kill(workers[0].pid, signal.SIGKILL)
            workers[0].wait()
            wait_until(lambda: not alive(int((project / "pid.1").read_text())))
            # Whoever tends the fleet sweeps; here the worker's own next life does.
            workers += [_worker(project, 1), _worker(project, 2)]
            for worker in workers[1:]:
                assert worker.wait(timeout=60) == 0
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        rows = store.rows()
        assert (rows.get("missions", mission_id) or {})["status"] == "completed"
        attempts = {row["title"]: row["attempt"] for _, row in rows.scan("sorties")}
    assert attempts == {"slow": 2, "last": 1}


def _worker(project: Path, replica: int) -> subprocess.Popen[bytes]:
    words = [str(FLEET), "worker", "-s", "builder", "-n", str(replica), "--idle-exit", "-C", str(project)]
    return subprocess.Popen(words, cwd=project, stdout=subprocess.DEVNULL)
