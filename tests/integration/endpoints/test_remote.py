"""A fleet that is looked at, and worked for, from elsewhere: over HTTP as if its log were here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import USAGE_EXIT_CODE, run
from reconciler.client import Client, ServerUnreachable
from reconciler.client.calls import checkpoints, fleet, log, missions, sorties, specialists
from reconciler.control.desk.briefing import Brief
from reconciler.control.project import Project
from reconciler.control.remote.session import RemoteSession
from reconciler.control.remote.store import ElsewhereOnly, RemoteStore
from reconciler.control.session import Session, open_session
from reconciler.control.survey import survey
from reconciler.control.worker.handing_in import Artifact, Cost
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.loop import WorkerOptions
from reconciler.control.worker.opening import open_worker
from reconciler.control.worker.remote_office import RemoteOffice
from reconciler.errors import NotFound
from reconciler.events.moment import Moment
from reconciler.projections.store import EventQuery
from reconciler.spec.desired import SpecialistSpec
from reconciler.work.refusals import LeaseOver
from tests.integration.endpoints.conftest import FLEET, Served, end_work
from tests.integration.endpoints.world import DONE, World

COST = Cost(wall_ms=5, tokens=7)


@pytest.fixture(scope="module", autouse=True)
def applied(served: Served) -> None:
    """One revision that was applied."""
    with served.client() as client:
        assert client.send(fleet.apply()).status == "succeeded"


@pytest.fixture
def project(tmp_path: Path, served: Served) -> Project:
    """A folder elsewhere, and where the server is."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Project(folder / "fleet.yaml", folder, remote=served.url)


@pytest.fixture
def session(project: Project, served: Served) -> Iterator[Session]:
    with open_session(project, environ={"FLEET_TOKEN": served.token, "PATH": "/usr/bin:/bin"}) as one:
        yield one


def test_the_log_reads_as_it_does_there(session: Session, served: Served, world: World) -> None:
    here, there = session.store, served.server.service.store
    assert isinstance(here, RemoteStore)
    assert here.path == there.path
    assert here.head() == there.head()
    assert list(here.rows().scan("sorties")) == list(there.rows().scan("sorties"))
    assert here.rows().get("sorties", world["running"]) == there.rows().get("sorties", world["running"])
    assert here.rows().get("sorties", "nothing") is None
    assert here.projected() == there.projected()
    assert here.projected(3) == there.projected(3)
    assert list(here.rows_at(5).scan("revisions")) == list(there.rows_at(5).scan("revisions"))
    for query in (
        EventQuery(),
        EventQuery(newest_first=True, limit=7),
        EventQuery(types=("sortie_created",), after=5, before=500, text="running"),
        EventQuery(stream_type="sortie", stream_id=world["running"], limit=2),
        EventQuery(since_ms=1, until_ms=2),
    ):
        assert list(here.events(query)) == list(there.events(query))
    some = next(iter(there.events(EventQuery(stream_type="service"))))
    assert here.event(some.event_id) == some
    assert list(here.events(EventQuery(correlation_id=some.correlation_id))) == list(
        there.events(EventQuery(correlation_id=some.correlation_id))
    )
    assert list(here.stream("sortie", world["running"], 1)) == list(there.stream("sortie", world["running"], 1))
    assert here.stream_version("sortie", world["running"]) == there.stream_version("sortie", world["running"])
    assert here.stream_version("sortie", "nothing") == 0
    assert here.sequence_at(Moment(sequence=4)) == 4
    assert here.sequence_at(Moment(time_ms=some.recorded_at)) == there.sequence_at(Moment(time_ms=some.recorded_at))
    with here.snapshot() as (rows, head):
        assert head == there.head()
        looked = rows.scan("missions")
        assert list(looked) == list(rows.scan("missions"))
        assert rows.get("missions", world["mission"]) is not None


def test_a_lease_is_seen(session: Session, served: Served) -> None:
    store = served.server.service.store
    assert session.store is not None
    assert session.store.lease_holder() is None
    with store.lease("a test"):
        assert session.store.lease_holder() == store.lease_holder()


def test_the_log_is_followed(session: Session, world: World) -> None:
    assert session.store is not None
    query = EventQuery(stream_type="sortie", stream_id=world["running"])
    seen: list[Any] = []
    for event in session.store.follow(query, poll_ms=1, stop=lambda: len(seen) > 2):
        seen.append(event)
        if len(seen) == 3:
            break
    assert [event.version for event in seen] == [1, 2, 3]
    assert list(session.store.follow(query, stop=lambda: True)) == []


def test_nothing_is_changed_from_here(session: Session) -> None:
    assert isinstance(session, RemoteSession)
    store = session.store
    for refused in (
        session.writable,
        lambda: session.runtime,
        lambda: store.reading().__enter__(),
        lambda: store.append([], session.cause),
        lambda: store.lease("x"),
    ):
        with pytest.raises(ElsewhereOnly):
            refused()
    for rows in (store.rows(),):
        with pytest.raises(TypeError):
            rows.put("x", "y", {})
        with pytest.raises(TypeError):
            rows.delete("x", "y")


def test_a_survey_is_taken_there(session: Session, served: Served) -> None:
    found = survey(session)
    assert found.desired is not None
    assert found.desired.name == "shop"
    assert found.observed is not None
    assert [one.name for one in found.observed.containers] == ["shop-web-1"]
    served.runtime.unreachable = True
    served.write("nonsense: [")
    try:
        found = survey(session)
    finally:
        served.runtime.unreachable = False
        served.write(FLEET)
    assert (found.desired, found.observed) == (None, None)
    assert len(found.warnings) == 2


def test_a_server_that_is_not_there(project: Project) -> None:
    with pytest.raises(ServerUnreachable):
        open_session(replace(project, remote="http://127.0.0.1:1"), environ={})


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("status", "running  running"),
        ("why web", "service/web/1"),
        ("history", "revision 1"),
        ("events --limit 3", "SEQ"),
        ("missions list --all", "tidy"),
        ("sorties list --all", "sweep"),
        ("specialists list", "SPECIALIST"),
        ("status --json", '"fleet": "shop"'),
    ],
)
def test_verbs_that_read(
    words: str, shown: str, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEET_TOKEN", served.token)
    assert run(["--remote", served.url, *words.split()]) == 0
    assert shown in capsys.readouterr().out


def test_verbs_that_need_the_machine_say_so(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEET_TOKEN", served.token)
    assert run(["--remote", served.url, "apply"]) == USAGE_EXIT_CODE
    assert "fleet apply works only on the machine itself" in capsys.readouterr().err
    assert run(["--remote", served.url, "missions", "cancel", "tidy"]) == 1
    assert "run it there" in capsys.readouterr().err


def office(served: Served, client: Client, name: str) -> tuple[RemoteOffice, Identity]:
    identity = Identity(SpecialistSpec(name=name, capabilities=(name,)))
    return RemoteOffice(client, identity, fastest_s=0.001, slowest_s=0.01), identity


def claimed(desk: RemoteOffice, client: Client, identity: Identity, **metadata: Any) -> Brief:
    client.send(sorties.create(title="one", assigned_to=identity.id, metadata=metadata))
    given = desk.claim(60_000)
    assert given is not None
    return given


def test_a_worker_asks_the_office_there(served: Served, client: Client) -> None:
    end_work(client)
    desk, me = office(served, client, "remote-one")
    desk.register()
    assert desk.claim(60_000) is None
    reviewer, other = office(served, client, "remote-two")
    reviewer.register()
    given = claimed(desk, client, me, review={"kind": "code", "by": other.id})
    assert given.job.title == "one"
    assert not desk.heartbeat(given, {"memory_mb": 1})
    assert desk.holds(given)
    desk.checkpoint("half way", {"open": "the rest"})
    assert client.send(checkpoints.latest(me.id)).trigger == "shutdown"
    desk.renew(given.job.sortie_id, given.attempt, 60_000)
    desk.progress(given.job.sortie_id, given.attempt, 50, "half")
    desk.complete(given.job.sortie_id, given.attempt, DONE, [Artifact("a", "sha256:0", 1)], COST)
    assert not desk.holds(given)
    assert served.server.service.store.rows().get("usage", me.id)["tokens"] == 7  # type: ignore[index]
    reviewing = reviewer.claim(60_000)
    assert reviewing is not None
    assert reviewing.kind == "review"
    assert reviewer.holds(reviewing)
    reviewer.abandon_review(reviewing, "tired", Cost())
    again = reviewer.claim(60_000)
    assert again is not None
    reviewer.conclude_review(again, "approved", "good", [{"severity": "info", "message": "fine"}], COST)
    assert client.send(sorties.get(given.job.sortie_id)).status == "completed"
    assert not reviewer.holds(again)
    client.send(specialists.update(me.id, draining=True))
    assert desk.heartbeat()
    desk.leave("success", "over")
    reviewer.leave("success", "")
    assert client.send(specialists.get(me.id)).status == "completed"


def test_failures_are_told_there(served: Served, client: Client) -> None:
    desk, me = office(served, client, "remote-three")
    desk.register()
    given = claimed(desk, client, me)
    desk.fail(given.job.sortie_id, given.attempt, "broken", "error", 0, COST)
    assert client.send(sorties.get(given.job.sortie_id)).last_error == "broken"
    with pytest.raises(LeaseOver):
        desk.progress(given.job.sortie_id, given.attempt, 50, "late")
    lost = replace(given.job, sortie_id="nothing")
    assert not desk.holds(Brief(kind="work", job=lost, attempt=1))


def test_it_waits_for_news(served: Served, client: Client) -> None:
    end_work(client)
    desk, me = office(served, client, "remote-four")
    desk.register()
    assert desk.claim(60_000) is None
    client.send(sorties.create(title="news", assigned_to=me.id))
    desk.wait(60, lambda: False)
    assert desk.anything_open()
    desk.wait(60, lambda: True)
    end_work(client)
    assert not desk.anything_open()
    desk._seen = client.send(log.head()).sequence_number
    desk.wait(0.01, lambda: False)
    with Client("http://127.0.0.1:1") as nowhere:
        desk._client = nowhere
        assert not desk._news()


def test_a_worker_elsewhere_does_a_mission(served: Served, client: Client, project: Project, tmp_path: Path) -> None:
    served.write(FLEET + "specialists:\n  sweeper: {harness: {kind: shell}}\n")
    accepted = client.send(fleet.apply(targets=["web"]))
    assert accepted.status in ("recorded", "succeeded"), accepted
    end_work(client)
    mission = client.send(missions.run("tidy"))
    token = served.made("sweeper", ("work",))
    said: list[str] = []
    environ = {"FLEET_TOKEN": token, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with (
        open_session(project, source="worker", environ=environ) as session,
        open_worker(
            session, "sweeper", 1, lambda level, what, **facts: said.append(what), WorkerOptions(idle_exit=True)
        ) as one,
    ):
        one.run()
    assert client.send(missions.get(mission.id)).status == "completed", said
    with pytest.raises(NotFound, match="no specialist"), open_session(project, environ=environ) as session:
        open_worker(session, "nobody", 1, lambda *_, **__: None, WorkerOptions()).__enter__()


def test_documented_examples(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of docs/client.md, in order, against the running server."""
    monkeypatch.setenv("FLEET_REMOTE", served.url)
    monkeypatch.setenv("FLEET_TOKEN", served.token)
    text = (Path(__file__).parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for part in text.split("```python\n")[1:]:
        exec(part.partition("```")[0], names)
    assert "titles" in names
