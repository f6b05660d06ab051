"""`fleet status` over a file, a log on disk and real containers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from reconciler.cli import status as status_verb
from reconciler.control.session import Session, open_session
from reconciler.ids import new_id
from reconciler.projections.store import Store, open_store
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import ServiceSpec
from reconciler.spec.roles import definition_digest
from tests.support.podman import ownership
from tests.support.story import StoredLog
from tests.support.terminal import Terminal

FILE = """\
version: 1
name: shop
services:
  web: {image: "localhost/fleet-busybox:1", command: [sleep, "600"], replicas: 2}
"""


@pytest.fixture
def shop(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A project with a file, and no Podman in reach."""
    (terminal.directory / "fleet.yaml").write_text(FILE)
    monkeypatch.setenv("FLEET_PODMAN_SOCKET", str(terminal.directory / "nobody.sock"))
    return terminal


def table(out: str) -> list[list[str]]:
    """The lines of replicas, split into words."""
    return [line.split() for line in out.splitlines() if line.startswith(("✓", "✗"))]


def test_before_the_first_apply_and_without_podman(shop: Terminal) -> None:
    answer = shop.fleet("status")
    assert answer.code == 0
    assert answer.out.startswith("fleet shop\nwarning: Podman cannot be read, so what runs is unknown")
    assert table(answer.out) == [
        ["✗", "web/1", "running", "absent", "unknown", "-"],
        ["✗", "web/2", "running", "absent", "unknown", "-"],
    ]
    assert answer.out.endswith("nothing has been applied yet: fleet apply\n")
    assert not shop.database.exists()


def test_nothing_at_all(terminal: Terminal) -> None:
    answer = terminal.fleet("status")
    assert answer.code == 1
    assert answer.err == "fleet: there is no fleet.yaml here and nothing has been applied\n  fleet init\n"


def test_a_broken_file_is_told_and_the_rest_is_shown(shop: Terminal, story: StoredLog) -> None:
    (shop.directory / "fleet.yaml").write_text("version: 1\nname: shop\nservices: {web: {imge: x}}\n")
    answer = shop.fleet("status")
    assert answer.code == 0
    assert "the file is wrong, so what is desired is unknown" in answer.out
    assert "fleet.yaml:3:" in answer.out
    assert table(answer.out)[0][:4] == ["✓", "web", "unknown", "running"]


def test_a_missing_file_is_told_and_the_rest_is_shown(terminal: Terminal, story: StoredLog) -> None:
    answer = terminal.fleet("status")
    assert answer.code == 0
    assert "what is desired is unknown" in answer.out or "the file cannot be read" in answer.out


def test_a_broken_log_is_told(shop: Terminal) -> None:
    shop.database.write_bytes(b"this is no database" * 100)
    answer = shop.fleet("status")
    assert answer.code == 6
    assert "the log cannot be read, so what was applied is unknown" in answer.out
    assert "nothing has been applied yet" not in answer.out


def test_a_broken_log_is_no_missing_one_even_without_a_file(shop: Terminal) -> None:
    (shop.directory / "fleet.yaml").unlink()
    shop.database.write_bytes(b"this is no database" * 100)
    assert shop.fleet("status").code == 6


def test_an_empty_fleet(shop: Terminal) -> None:
    (shop.directory / "fleet.yaml").write_text("version: 1\nname: shop\n")
    assert "no services" in shop.fleet("status").out


def test_every_line_fits_80_columns(shop: Terminal, story: StoredLog) -> None:
    assert max(len(line) for line in shop.fleet("status").out.splitlines()[2:]) <= 80


def test_json_has_all_three_sides_and_utc_times(shop: Terminal, story: StoredLog) -> None:
    document = shop.fleet("status", "--json").json
    assert document["fleet"] == "shop"
    assert document["known"] == {"desired": True, "observed": False}
    assert document["revision"]["commit"] == "1a2b3c4d5e6f7a8b"
    assert document["revision"]["at"].endswith("Z")
    first, second = document["services"]
    assert first["resource"] == second["resource"] == "service/web"
    assert first["desired"] == {
        "state": "running",
        "digest": first["desired"]["digest"],
        "image": "localhost/fleet-busybox:1",
    }
    assert first["projected"]["container_id"] == "c1"
    assert first["projected"]["since"].endswith("Z")
    assert first["observed"] == {"state": "unknown"}
    assert (first["agrees"], second["agrees"]) == (False, False)


def test_as_it_was(shop: Terminal, story: StoredLog) -> None:
    story.see("container_exited", exit_code=9)
    now = shop.fleet("status", "--json").json["services"][0]["projected"]
    assert (now["state"], now["exit_code"]) == ("exited", 9)
    then = shop.fleet("status", "--at", "6")
    assert "as it was at event 6" in then.out
    assert table(then.out)[0][3:6] == ["running", "-", table(then.out)[0][5]]
    assert shop.fleet("status", "--at", "2 hours ago").code == 0


def test_the_past_of_an_empty_log(shop: Terminal) -> None:
    answer = shop.fleet("status", "--at", "1")
    assert (answer.code, answer.err) == (1, "fleet: nothing has been applied yet\n  fleet apply\n")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def watching(shop: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Watch while a container exits at the second look; ends at the fourth."""
    looks: list[float] = []

    def next_look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            story.see("container_exited", exit_code=3)
        elif len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(status_verb.time, "sleep", next_look)
    answer = shop.fleet("status", "--watch", "--interval", "0.5", *words)
    assert set(looks) == {0.5}
    return answer.code, answer.out


def test_watch_prints_when_something_changes(shop: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = watching(shop, story, monkeypatch)
    assert code == 130
    assert out.count("SERVICE") == 2
    assert "exited (3)" in out


def test_watch_as_json_lines(shop: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    _, out = watching(shop, story, monkeypatch, "--json")
    states = [json.loads(line)["services"][0]["projected"]["state"] for line in out.splitlines()]
    assert states == ["running", "exited"]


def test_watch_on_a_terminal_is_in_place(shop: Terminal, story: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    watching(shop, story, monkeypatch)
    assert screen.getvalue().count("\x1b[H\x1b[2J") == 4


@pytest.fixture
def session(terminal: Terminal, podman: Podman) -> Iterator[Session]:
    from reconciler.cli.options import Project

    values = Project(
        file=terminal.directory / "fleet.yaml", directory=terminal.directory, database=str(terminal.database)
    )
    with open_session(values, runtime=podman) as opened:
        yield opened


def test_what_runs_is_seen_and_what_the_log_does_not_know_too(
    terminal: Terminal, session: Session, podman: Podman, busybox_image: str, unique_name: str, clean_up: object
) -> None:
    clean_up(session.project)  # type: ignore[operator]
    (terminal.directory / "fleet.yaml").write_text(FILE)
    spec = ServiceSpec(name="web", image=busybox_image, command=("sleep", "600"), stop_grace_ms=0)
    digest = definition_digest(spec)
    labels = ownership(session.project, resource="service/web", replica="1", digest=digest)
    container = podman.create(ContainerOrder(spec, unique_name, busybox_image, labels))
    podman.start(container)
    found = terminal.fleet("status", "--json").json["services"]
    strangers = [one for one in found if one["differences"] == ["runs, and the log does not know it"]]
    assert [(one["replica"], one["observed"]["name"]) for one in strangers] == [(1, unique_name)]

    with open_store(terminal.database) as store:
        record_created(store, container, digest, unique_name)
    replica = terminal.fleet("status", "--json").json["services"][0]
    assert (replica["projected"]["state"], replica["observed"]["state"]) == ("running", "running")
    podman.stop(container, 0)
    replica = terminal.fleet("status", "--json").json["services"][0]
    assert replica["differences"][-1] == "exited since the log was last written"


def record_created(store: Store, container: str, digest: str, name: str) -> None:
    log = StoredLog(store)
    names = {"service": "web", "replica": 1, "container_id": container}
    created = {"name": name, "digest": digest, "image": "i", "image_id": "sha256:1", "intent_id": new_id("evt")}
    log.record("container_created", "service/web", {**names, **created})
    log.record("container_started", "service/web", names)
