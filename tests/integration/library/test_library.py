"""The library: what a program does with a fleet, over an engine in memory and a real log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import reconciler
from reconciler import ActionStep, Fleet, GateStep, Problems, Project, Step, Told
from reconciler.errors import ConfirmationMissing, FleetError, NotFound, SpecInvalid, TimedOut
from reconciler.projections.store import EventQuery
from tests.integration.apply.yard import Yard
from tests.support.simulated import IMAGE

WEB = f"web: {{image: '{IMAGE}', command: [sleep, '1000']}}"


@pytest.fixture
def fleet(sandbox: Yard) -> Fleet:
    sandbox.write(WEB)
    return opened(sandbox)


def opened(sandbox: Yard) -> Fleet:
    return Fleet(sandbox.folder, runtime=sandbox.runtime, environ=sandbox.environ)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, reconciler; print([m for m in sys.modules if m.startswith('reconciler.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_name_that_is_promised_is_there() -> None:
    for name in reconciler.__all__:
        assert getattr(reconciler, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Flet'"):
        _ = reconciler.Flet  # type: ignore[attr-defined]


def test_a_project_is_a_folder_a_file_or_said_in_full(sandbox: Yard) -> None:
    sandbox.write(WEB)
    below = sandbox.folder / "src"
    below.mkdir()
    file = sandbox.folder / "fleet.yaml"
    for place in (sandbox.folder, str(file), below, Project(file, sandbox.folder)):
        with Fleet(place, environ=sandbox.environ) as one:
            assert one.load().desired.services["web"].image == IMAGE
    assert Fleet(below / "none.yaml", environ=sandbox.environ).project.file == below / "none.yaml"


def test_planning_leaves_no_log(fleet: Fleet, sandbox: Yard) -> None:
    with fleet:
        plan = fleet.plan()
        assert [action.resource for action in plan.actions if action.resource.startswith("service/")]
        assert fleet.plan(exclude=["web"]).empty
        assert fleet.history() == ()
        with pytest.raises(NotFound, match="nothing has been applied yet"):
            fleet.read()
    assert not list(sandbox.data.rglob("*.db"))


def test_an_apply_tells_each_step_and_the_next_has_nothing_to_do(fleet: Fleet, sandbox: Yard) -> None:
    sandbox.write(WEB.replace("}", ", healthcheck: {test: [CMD, 'true']}}"))
    steps: list[Step] = []
    with fleet:
        applied = fleet.apply(progress=steps.append)
        assert applied.succeeded
        assert applied.result is not None
        ended = [one for one in steps if isinstance(one, ActionStep) and one.state == "done"]
        assert {one.action.id for one in ended} == {one.id for one in applied.plan.actions}
        assert [one.state for one in steps if isinstance(one, GateStep)][-1] == "open"
        again = fleet.apply()
        assert (again.succeeded, again.result, again.plan.empty) == (True, None, True)


def test_what_stands_in_the_way_is_told_before_anything_is_touched(sandbox: Yard) -> None:
    sandbox.write(WEB.replace("}", ", environment: {PW: {secret: pw}}}"), more="secrets: {pw: {env: NOT_SET}}")
    steps: list[Step] = []
    with opened(sandbox) as fleet:
        applied = fleet.apply(progress=steps.append)
    assert not applied.succeeded
    assert isinstance(steps[0], Problems)
    assert "NOT_SET" in steps[0].texts[0]


def test_a_wrong_file_is_told_with_its_places(sandbox: Yard) -> None:
    sandbox.write("web: {imag: x}")
    with opened(sandbox) as fleet, pytest.raises(SpecInvalid) as wrong:
        fleet.load()
    assert wrong.value.problems[0].line == 5


def test_what_an_apply_may_destroy_is_said_beforehand(fleet: Fleet, sandbox: Yard) -> None:
    with fleet:
        fleet.apply()
        sandbox.write("")
        with pytest.raises(ConfirmationMissing, match="destroys 1 containers, and 0 are allowed"):
            fleet.apply(max_destroy=0)
        assert fleet.apply(max_destroy=1).succeeded
        sandbox.write(WEB)
        fleet.apply()
        sandbox.write("")
        assert fleet.apply(confirmed_by="ada").succeeded
        said = [event.data["confirmed_by"] for event in fleet.events(EventQuery(types=("plan_confirmed",)))]
    assert said == ["max_destroy", "ada"]


def test_the_files_own_limit_needs_no_yes(fleet: Fleet, sandbox: Yard) -> None:
    with fleet:
        fleet.apply()
        sandbox.write("")
        assert fleet.apply().succeeded


def test_reading(fleet: Fleet) -> None:
    with fleet:
        fleet.apply(targets=["service/web"])
        (replica,) = fleet.status()
        assert replica.observed.state == "running"
        assert replica.agrees
        assert fleet.status(at="now")[0].observed.state == "unknown"
        assert fleet.read().services.keys() == {"web"}
        assert not fleet.read(at="1").services
        assert fleet.survey().desired is not None
        assert fleet.plan(at="1").actions
        assert fleet.why("web")[0].resource == "service/web/1"
        assert [one.kind for one in fleet.history()] == ["apply", "revision"]
        assert not fleet.drift().found
        assert {event.metadata["source"] for event in fleet.events()} == {"api"}


def test_watching_takes_an_edit_for_as_long_as_the_block_lasts(fleet: Fleet, sandbox: Yard) -> None:
    steps: list[Step] = []
    with fleet, fleet.watch(interval_s=60, polling=True, progress=steps.append) as watching:
        watching.wait_ready()
        assert [one.name for one in sandbox.runtime.containers.values()] == ["shop-web-1"]  # type: ignore[union-attr]
        assert watching.pause()
        assert not watching.pause()
        watching.apply_now()
    assert any(isinstance(one, Told) for one in steps)
    assert any(isinstance(one, ActionStep) for one in steps)
    with opened(sandbox) as after:
        assert {event.metadata["source"] for event in after.events()} == {"watch"}


def test_what_ends_the_loop_is_raised_where_the_block_ends(fleet: Fleet, sandbox: Yard) -> None:
    with fleet:
        fleet.apply()
        (database,) = sandbox.data.rglob("*.db")
    database.write_bytes(b"no database at all" * 100)
    with pytest.raises(FleetError), opened(sandbox).watch(polling=True) as watching:
        watching.wait_ready()
    with pytest.raises(FleetError), opened(sandbox).watch(polling=True) as watching:
        watching._ready.wait()


def test_a_first_look_that_takes_too_long_is_told(fleet: Fleet) -> None:
    with pytest.raises(TimedOut, match="within 0 s"):
        fleet.watch().wait_ready(0)


def test_without_a_file_it_is_the_folder_itself(tmp_path: Path) -> None:
    assert Fleet(tmp_path).project.file == tmp_path / "fleet.yaml"


def test_documented_examples(yard: Yard, monkeypatch: pytest.MonkeyPatch, busybox_image: str) -> None:
    """Each block of docs/library.md, in order, against real Podman."""
    text = (Path(reconciler.__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```python\n")[1:]]
    yard.write(f"web:\n  image: {busybox_image}\n  command: [sleep, '1000']\n  stop_grace_period: 0s")
    (yard.folder.parent / "shop").symlink_to(yard.folder)
    monkeypatch.chdir(yard.folder.parent)
    for name, value in yard.environ.items():
        monkeypatch.setenv(name, value)
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert any("took" in line for line in names["told"])  # type: ignore[attr-defined]
    assert names["sayings"] is not None
