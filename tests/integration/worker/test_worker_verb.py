"""`fleet worker`, in the foreground of one project."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.options import Project
from reconciler.control.session import open_session
from reconciler.control.worker.alone import Alone
from reconciler.control.worker.container import LABEL, Containers
from reconciler.control.worker.loop import WorkerOptions
from reconciler.control.worker.opening import open_worker
from reconciler.control.worker.settings import environment
from reconciler.errors import FleetError
from reconciler.ids import new_id
from reconciler.projections.store import open_store
from reconciler.spec.desired import Desired, Review, SecretSource, SecretUse, SpecialistSpec
from reconciler.work.harness import Command
from tests.integration.worker.conftest import Fleet, Told, sortie
from tests.integration.worker.revisions import accept
from tests.support.terminal import Terminal

FILE = """\
version: 1
name: shop
secrets:
  token: {file: ./token}
specialists:
  builder:
    environment: {GREETING: hello, TOKEN: {secret: token}}
    working_dir: ./work
  elsewhere: {working_dir: ./nowhere}
"""


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEET_TOKEN", "a worker's own")
    monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
    project = tmp_path / "shop"
    (project / "work").mkdir(parents=True)
    (project / "fleet.yaml").write_text(FILE)
    (project / "token").write_text("s3cret\n")
    return Terminal(project, capsys)


@pytest.fixture
def fleet(terminal: Terminal) -> Iterator[Fleet]:
    with open_store(terminal.database) as store:
        yield Fleet(store, terminal.directory)


def test_it_works_until_nothing_is_open(terminal: Terminal, fleet: Fleet) -> None:
    script = 'pwd; echo "$GREETING ${#TOKEN} ${FLEET_TOKEN-none}"'
    ids = fleet.start(a=sortie(run=script), b=sortie(run="exit 2", depends_on=("a",)))
    answer = terminal.fleet("worker", "-s", "builder", "--idle-exit")
    assert answer.code == 0, answer.err
    assert fleet.sortie(ids["a"])["result"]["summary"] == f"{terminal.directory / 'work'}\nhello 6 none"
    said = [line.split("  ", 1)[1] for line in answer.out.splitlines()]
    assert said[0] == "registered  spec_builder_1  shell"
    assert said[1] == "begins  M / a (attempt 1)"
    assert said[2].startswith("completed  M / a (attempt 1) in ")
    assert "failed  M / b (attempt 1): it ended with exit code 2" in said
    assert said[-1] == "left  success  1 completed, 1 failed, 0 reviewed"
    row = fleet.store.rows().get("specialists", "spec_builder_1")
    assert row is not None
    assert row["metadata"] == {"pool": "builder", "replica": 1, "harness": "shell", "heartbeat_timeout_ms": 60_000}


def test_it_speaks_json_to_programs_and_may_do_one_thing_only(terminal: Terminal, fleet: Fleet) -> None:
    fleet.start(a=sortie(run="true", review=Review(by="nobody")), b=sortie(run="true"))
    lines = terminal.fleet("worker", "-s", "builder", "-n", "2", "--once", "--json").json_lines
    assert [line["event"] for line in lines] == ["registered", "begins", "completed", "left"]
    assert lines[1]["attempt"] == 1
    assert lines[0]["timestamp"].endswith("Z")


def test_it_says_what_is_not_there(terminal: Terminal, fleet: Fleet) -> None:
    unknown = terminal.fleet("worker", "-s", "nobody")
    assert (unknown.code, "declared: builder, elsewhere" in unknown.err) == (1, True)
    folder = terminal.fleet("worker", "-s", "elsewhere")
    assert "the folder of specialist elsewhere is not there" in folder.err
    (terminal.directory / "token").unlink()
    assert "the secret token has no value" in terminal.fleet("worker", "-s", "builder").err


def test_a_second_one_of_the_same_replica_is_refused(terminal: Terminal, fleet: Fleet) -> None:
    with Alone(terminal.database.parent, "spec_builder_1"):
        answer = terminal.fleet("worker", "-s", "builder", "--once")
    assert answer.code == 4
    assert "works already" in answer.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(terminal: Terminal, fleet: Fleet, number: int, code: int) -> None:
    ids = fleet.start(a=sortie(run=f"kill -{number} {os.getpid()}; sleep 600"))
    answer = terminal.fleet("worker", "-s", "builder", "--grace", "50ms")
    assert answer.code == code
    assert "handed back" in answer.out
    assert fleet.sortie(ids["a"])["status"] == "pending"


def test_the_second_signal_leaves_no_grace(terminal: Terminal, fleet: Fleet) -> None:
    me = os.getpid()
    fleet.start(a=sortie(run=f"kill -TERM {me}; sleep 0.2; kill -TERM {me}; sleep 600"))
    assert terminal.fleet("worker", "-s", "builder", "--grace", "1h").code == 0


def test_the_accepted_revision_counts_not_the_file(terminal: Terminal, fleet: Fleet) -> None:
    accept(fleet, terminal.directory / "fleet.yaml")
    (terminal.directory / "fleet.yaml").write_text("this is no fleet")
    fleet.start(a=sortie(run="true"))
    assert terminal.fleet("worker", "-s", "builder", "--idle-exit").code == 0


def test_a_secret_that_the_environment_has_already_is_not_fetched_again(tmp_path: Path) -> None:
    spec = SpecialistSpec(name="a", environment={"T": SecretUse(secret="t"), "X": "1"})
    desired = Desired(name="shop", project="p", secrets={"t": SecretSource(name="t", file="/nonexistent")})
    assert environment(spec, desired, project=tmp_path, environ={"T": "given", "FLEET_TOKEN": "x"}) == {
        "T": "given",
        "X": "1",
    }
    with pytest.raises(FleetError):
        environment(spec, desired, project=tmp_path, environ={})


def test_a_sortie_in_a_fresh_container(
    fleet: Fleet, terminal: Terminal, podman_socket: str, busybox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PODMAN_SOCKET", podman_socket)
    monkeypatch.setattr("reconciler.control.worker.process.GRACE_S", 0.2)
    name = f"c{new_id('x')[-8:]}"
    (terminal.directory / "fleet.yaml").write_text(
        f"version: 1\nname: shop\nspecialists:\n  {name}:\n    environment: {{GREETING: hello}}\n"
        f"    harness: {{image: {busybox_image}}}\n"
    )
    ids = fleet.start(
        a=sortie(
            run='echo "$GREETING $FLEET_SORTIE_NAME $(pwd) ${HOME_OF_HOST-none}"; cat /fleet/input.json > seen.json'
        ),
        b=sortie(run="sleep 600", timeout_ms=800, depends_on=("a",)),
    )
    monkeypatch.setenv("HOME_OF_HOST", "secret")
    answer = terminal.fleet("worker", "-s", name, "--idle-exit")
    assert answer.code == 0, answer.err
    assert fleet.sortie(ids["a"])["result"]["summary"] == "hello a /workspace none", answer.out
    assert '"task": "work"' in (terminal.directory / "seen.json").read_text()
    assert "it was ended after" in fleet.sortie(ids["b"])["last_error"]
    left = subprocess.run(
        ["podman", "--url", f"unix://{podman_socket}", "ps", "-aq", "--filter", f"label={LABEL}=spec_{name}_1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert left.stdout == ""


def test_what_a_former_life_left_in_containers_is_removed(
    tmp_path: Path, podman_socket: str, busybox_image: str
) -> None:
    variables = {**os.environ, "FLEET_PODMAN_SOCKET": podman_socket}
    containers = Containers(new_id("spec"), variables, ())
    launch, _ = containers(Command(argv=("sleep", "600"), image=busybox_image), tmp_path, tmp_path, "sortie_1")
    words = list(launch.argv)
    words.insert(words.index("run") + 1, "--detach")
    subprocess.run(words, env=dict(launch.environment), check=True, capture_output=True)
    name = words[words.index("--name") + 1]
    exists = ["podman", "--url", f"unix://{podman_socket}", "container", "exists", name]
    assert subprocess.run(exists, check=False).returncode == 0
    containers.sweep()
    assert subprocess.run(exists, check=False).returncode == 1


def test_a_machine_without_podman_has_nothing_to_sweep() -> None:
    Containers("spec_a_1", {"PATH": "/nonexistent"}, ()).sweep()


def test_a_worker_is_opened_on_the_projects_log(terminal: Terminal, fleet: Fleet) -> None:
    project = Project(
        file=terminal.directory / "fleet.yaml",
        directory=terminal.directory,
        env="",
        variables={},
        var_files=(),
        profiles=(),
        database=str(terminal.database),
    )
    told = Told()
    with (
        open_session(project, source="worker") as session,
        open_worker(session, "builder", 1, told, WorkerOptions(idle_exit=True)) as worker,
    ):
        worker.run()
    assert told.words() == ["registered", "left"]
