"""How a watcher begins where something is missing, and what its lines look like."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.cli.watch_lines import Lines
from reconciler.plan.diff import diff
from reconciler.plan.model import PlanOptions
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, STAYS, Watching
from tests.support.installed import FLEET
from tests.unit.control.watch.clockwork import Clockwork

IMAGE = "localhost/fleet-busybox:1"


def test_where_there_is_nothing_to_watch_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    assert run(["watch"]) == 1
    assert "nothing has been applied" in capsys.readouterr().err


def test_an_engine_that_is_not_there_yet_is_waited_for(yard: Yard, tmp_path: Path) -> None:
    yard.write(f"web:\n  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n")), more=QUICK)
    late = tmp_path / "late.sock"
    with Watching(yard, environ={"FLEET_PODMAN_SOCKET": str(late)}) as watching:
        watching.says("what runs is unknown")
        late.symlink_to(yard.environ["FLEET_PODMAN_SOCKET"])
        watching.says("apply succeeded")
    assert "waiting for it" in "".join(watching.errors)


def test_lines_for_people_are_pairs_and_for_programs_json() -> None:
    plain, document = io.StringIO(), io.StringIO()
    Lines(plain, as_json=False).tell("info", "plan", actions=["create service/web/1", "b"])
    Lines(document, as_json=True).tell("error", "ärger", revision=3)
    assert 'level=info event=plan actions="create service/web/1, b"' in plain.getvalue()
    assert document.getvalue().startswith('{"revision": 3, "event": "ärger", "level": "error", "timestamp": "')


def test_lines_tell_of_what_has_ended_and_not_of_what_goes_on() -> None:
    web = Clockwork()
    web.crashes()
    action = diff(web.desired, web.projected, PlanOptions(now_ms=web.now)).actions[0]
    stream = io.StringIO()
    lines = Lines(stream, as_json=False)
    lines.on_action(action, "running")
    lines.on_gate("web", "healthy", "wait")
    assert stream.getvalue() == ""
    lines.on_action(action, "failed", "no such image", 1.25)
    lines.on_gate("web", "healthy", "open", "healthy", 2.0)
    lines.on_gate("web", "healthy", "failed", "", 2.0)
    lines.on_problems(["port 80 is taken"])
    told = [line.partition("level=")[2] for line in stream.getvalue().splitlines()]
    assert told == [
        'error event="failed start service/web/1" resource=service/web verb=start seconds=1.25 detail="no such image"',
        "info event=healthy resource=service/web seconds=2.0",
        "error event=healthy resource=service/web seconds=2.0",
        'error event="port 80 is taken"',
    ]


def test_a_log_that_cannot_be_written_ends_it_with_its_own_code(yard: Yard) -> None:
    yard.write("", more=QUICK)
    yard.database.parent.mkdir(parents=True)
    yard.database.write_bytes(b"no database" * 100)
    done = subprocess.run(
        [FLEET, "watch", "--json"], cwd=yard.folder, env=yard.environ, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 6, done.stderr
