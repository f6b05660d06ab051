"""What only shows from inside: answers that were lost, commands that cannot be recorded, defects, numbers, tokens on disk."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.api.answers import Answer, Answers, correlation, digest
from reconciler.api.routers.events import FREE
from reconciler.api.server import serving
from reconciler.api.settings import ServeSettings
from reconciler.api.tokens import ScopeUnknown, Tokens, read_local
from reconciler.api.writer import Closing, Writer
from reconciler.control.desk.desk import Work
from reconciler.control.project import Project
from reconciler.errors import Conflict, FleetError, LogUnusable, NotFound
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.registry import entry
from reconciler.projections.store import Store, open_store
from tests.support.serving import Served, served

ME = Cause("me", "api")
FACT = {"events": [{"type": "memory_stored", "stream_id": "m", "data": {"key": "k"}}]}


def fact(stream: str = "m") -> NewEvent:
    return NewEvent("memory_stored", "system", stream, {"key": "k"})


# The writer


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(tmp_path / "d" / "squawk.db") as found:
        yield found


def test_many_share_a_transaction_and_each_has_its_own_answer(store: Store) -> None:
    shared: list[tuple[int, int]] = []
    gate = threading.Event()

    async def run() -> list[Any]:
        writer = Writer(store, told=lambda commands, events, _: shared.append((commands, events)))
        writer.start()

        def command(number: int) -> Any:
            def run(work: Work) -> int:
                if number == 2:
                    raise NotFound("there is none")
                work.record([fact(f"s{number}")])
                return number

            return run

        first = asyncio.ensure_future(writer.alone(gate.wait))
        others = [asyncio.ensure_future(writer.write(command(number), ME)) for number in range(5)]
        last = asyncio.ensure_future(writer.append([fact()], ME))
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(first, *others, last, return_exceptions=True)
        writer.close()
        with pytest.raises(Closing):
            await writer.append([fact()], ME)
        return found

    found = asyncio.run(run())
    assert [found[1], found[2], found[4], found[5]] == [0, 1, 3, 4]
    assert isinstance(found[3], NotFound)
    assert [event.sequence_number for event in found[6]] == [5]
    assert shared == [(1, 0), (6, 5)]


def test_one_that_cannot_be_recorded_does_not_harm_the_others(store: Store) -> None:
    """An event that claims a taken id breaks the whole transaction; each is tried alone then."""
    taken = fact()
    store.append([taken], ME)

    async def run() -> list[Any]:
        writer = Writer(store)
        gate = threading.Event()
        writer.start()
        first = asyncio.ensure_future(writer.alone(gate.wait))
        asked = [asyncio.ensure_future(writer.append([one], ME)) for one in (fact("a"), taken, fact("b"))]
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(first, *asked, return_exceptions=True)
        writer.close()
        return found

    _, one, bad, other = asyncio.run(run())
    assert isinstance(bad, Exception)
    assert [one[0].stream_id, other[0].stream_id] == ["a", "b"]
    assert [event.stream_id for event in store.events()] == ["m", "a", "b"]


# Answers


def test_who_comes_while_an_answer_is_given_waits_for_it(tmp_path: Path) -> None:
    async def run() -> None:
        answers = Answers(tmp_path)
        key, given = digest(b"k"), Answer(b"asked", 200, "etag: x", b"body")
        assert await answers.begin(key) is None
        waiting = asyncio.ensure_future(answers.begin(key))
        await asyncio.sleep(0)
        assert not waiting.done()
        answers.end(key, given, 1)
        assert await waiting == given
        answers.close()
        again = Answers(tmp_path)
        assert await again.begin(key) == given
        assert await again.begin(digest(b"other")) is None
        again.end(digest(b"other"), None, 1)
        for number in range(1_001):
            name = digest(str(number).encode())
            assert await again.begin(name) is None
            again.end(name, given, 200_000_000)
        assert await again.begin(key) is None
        again.close()

    asyncio.run(run())


def test_what_was_done_and_whose_answer_was_lost_is_not_done_again(tmp_path: Path) -> None:
    headers = {"idempotency-key": "lost"}
    with served(tmp_path) as api:
        assert api.admin.post("/api/v1/events", json=FACT, headers=headers).status_code == 201
        folder = api.service.folder
    for file in folder.glob("answers.db*"):
        file.unlink()
    with served(tmp_path) as api:
        answer = api.admin.post("/api/v1/events", json=FACT, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        event = next(iter(api.service.store.events()))
        assert str(event.correlation_id) in answer.json()["hint"]
        assert event.correlation_id == correlation(digest(b"local", b"lost"))
        assert api.head() == 1


def test_a_server_that_begins_anew_gives_the_answer_that_it_gave(tmp_path: Path) -> None:
    headers = {"idempotency-key": "kept"}
    with served(tmp_path) as api:
        first = api.admin.post("/api/v1/events", json=FACT, headers=headers)
    with served(tmp_path) as api:
        again = api.admin.post("/api/v1/events", json=FACT, headers=headers)
        assert (again.status_code, again.content) == (201, first.content)
        assert api.head() == 1


# Defects, numbers, versions


def test_a_defect_is_answered_without_saying_what_it_was(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(api.service.store, "event", broken)
    answer = api.admin.get(f"/api/v1/events/{'0' * 32}", headers={"x-request-id": "mine"})
    assert answer.status_code == 500
    assert "secret words" not in answer.text
    assert "mine" in answer.json()["hint"]
    assert answer.headers["x-request-id"] == "mine"


def test_numbers_say_what_happened(api: Served) -> None:
    api.admin.post("/api/v1/lock/acquire", json={"file": "a.py", "specialist_id": "s"})
    api.client().get("/api/v1/locks")
    text = api.admin.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['fleet_http_requests_total{method="POST",route="/api/v1/lock/acquire",status="200"}'] == "1"
    assert lines['fleet_http_refused_total{code="unauthorized"}'] == "1"
    assert lines["fleet_locks_active"] == "1"
    assert int(lines["fleet_log_head"]) == api.head()
    assert int(lines["fleet_wal_bytes"]) > 0
    assert float(lines["fleet_fold_seconds_total"]) > 0


def test_health_says_when_the_log_cannot_be_used(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.client().get("/health/live").json() == {"status": "alive"}
    assert api.client().get("/health/ready").json() == {"status": "ready"}

    def broken() -> int:
        raise LogUnusable("gone")

    monkeypatch.setattr(api.service.store, "head", broken)
    answer = api.client().get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    monkeypatch.setattr(api.service, "ready", False)
    assert api.client().get("/health/ready").status_code == 503


def test_who_has_the_version_already_gets_no_body(api: Served) -> None:
    made = api.admin.post("/api/v1/specialists/register", json={"name": "a", "specialist_id": "spec_v"})
    assert made.status_code == 201
    again = api.admin.get("/api/v1/specialists/spec_v", headers={"if-none-match": made.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_path_that_there_is_not_and_a_method_that_it_does_not_take(api: Served) -> None:
    assert api.admin.get("/api/v1/nothing").json()["code"] == "path_unknown"
    answer = api.admin.delete("/api/v1/specialists/register/x")
    assert answer.status_code in (404, 405)
    assert api.admin.put("/api/v1/sorties", json={}).headers["allow"]


def test_a_server_that_cannot_open_its_log_says_so(tmp_path: Path) -> None:
    database = tmp_path / "d" / "squawk.db"
    database.parent.mkdir(mode=0o700)
    database.write_bytes(b"this is no database at all" * 100)
    project = Project(file=tmp_path / "fleet.yaml", directory=tmp_path, database=str(database))
    with pytest.raises(LogUnusable), serving(project, ServeSettings(port=0)):
        pass


# Tokens


def test_tokens_on_disk(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "d")
    assert tokens.all() == []
    assert read_local(tmp_path / "d") == ""
    token, secret = tokens.create("a", ["read", "read"])
    assert token.scopes == ("read",)
    assert secret not in tokens.file.read_text()
    with pytest.raises(Conflict):
        tokens.create("a", ["read"])
    with pytest.raises(ScopeUnknown):
        tokens.create("b", ["all"])
    other = Tokens(tmp_path / "d")
    assert other.find(secret, 0) == token
    place = tokens.local()
    first = place.read_text()
    assert tokens.local().read_text() == first
    place.write_text("broken")
    assert tokens.local().read_text() != first
    assert tokens.revoke(token.id) == token
    with pytest.raises(NotFound):
        tokens.revoke("a")
    tokens.file.write_text("{")
    with pytest.raises(FleetError, match="cannot be read"):
        tokens.all()


def test_facts_that_anybody_may_append_are_events_that_there_are() -> None:
    for name in FREE:
        assert entry(name)
    assert not {name for name in FREE if name.startswith(("sortie", "mission", "ctk", "squawk", "review"))}
