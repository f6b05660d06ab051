"""Everything that the client can ask, asked of a running server."""

from __future__ import annotations

import asyncio
import threading

import pytest

from reconciler.client import AsyncClient, Client
from reconciler.client.calls import checkpoints, fleet, log, messages, missions, reviews, sorties, specialists, threads
from reconciler.errors import NotFound
from reconciler.work.refusals import AlreadyEnded, NotAssigned
from tests.integration.endpoints.conftest import FLEET, Served, end_runs, end_work
from tests.integration.endpoints.world import DONE, World


def test_specialists(client: Client) -> None:
    made = client.send(specialists.register(name="ada", capabilities=["python"], metadata={"pool": "p1"}))
    assert (made.status, made.capabilities) == ("active", ["python"])
    assert client.send(specialists.get(made.id)) == made
    assert [one.id for one in client.pages(specialists.list_(pool="p1", capability="python", status="active"))] == [
        made.id
    ]
    beat = client.send(specialists.heartbeat(made.id, status="idle", metrics={"memory_mb": 7}))
    assert beat.status == "idle"
    changed = client.send(specialists.update(made.id, name="Ada", draining=True, if_match=beat.version))
    assert (changed.name, changed.draining, changed.capabilities) == ("Ada", True, ["python"])
    anew = client.send(specialists.register(name="Ada", specialist_id=made.id, anew=True))
    assert anew.id == made.id
    assert client.send(specialists.deactivate(made.id)).status == "inactive"
    assert client.send(specialists.complete(made.id, summary="over")).status == "completed"
    assert client.send(specialists.spawn(name="bob", config={"pool": "x"})).status == "idle"
    with pytest.raises(NotFound, match="no specialist"):
        client.send(specialists.get("spec_none"))


def test_a_sorties_whole_life(client: Client) -> None:
    worker = client.send(specialists.register(name="worker")).id
    one = client.send(sorties.create(title="one", assigned_to=worker, metadata={"review": {"kind": "code"}}))
    assert one.status == "pending"
    assert client.send(sorties.update(one.id, {"priority": "high"})).priority == "high"
    given = client.send(sorties.claim(worker, lease_ms=5_000))
    assert given is not None
    assert (given.sortie.id, given.kind, given.brief["job"]["title"]) == (one.id, "work", "one")
    assert client.send(sorties.renew(one.id, worker, given.attempt)).lease is not None
    assert client.send(sorties.progress(one.id, worker, 40, attempt=1, message="half")).progress == 40
    assert client.send(sorties.block(one.id, worker, reason="no disk")).blocked_reason == "no disk"
    assert client.send(sorties.unblock(one.id, reason="disk")).status == "in_progress"
    made = [{"path": "a.txt", "digest": "sha256:0", "size": 3}]
    cost = {"wall_ms": 5, "tokens": 7}
    done = client.send(sorties.complete(one.id, worker, DONE, attempt=1, artifacts=made, cost=cost))
    assert done.status == "review"
    reviewer = client.send(specialists.register(name="reviewer")).id
    review = client.send(reviews.start(one.id, reviewer))
    assert client.send(reviews.get(review.id)) == review
    abandoned = client.send(reviews.abandon(review.id, reviewer, reason="tired", cost=cost))
    assert abandoned.status == "abandoned"
    again = client.send(reviews.start(one.id, reviewer, kind="security"))
    told = [{"severity": "info", "message": "fine"}]
    judged = client.send(reviews.complete(again.id, reviewer, "approved", feedback="good", issues=told, cost=cost))
    assert (judged.verdict, judged.issues) == ("approved", told)
    assert client.send(sorties.get(one.id)).status == "completed"
    assert {found.id for found in client.pages(reviews.list_(sortie_id=one.id))} == {review.id, again.id}


def test_sorties_that_go_wrong(client: Client) -> None:
    worker = client.send(specialists.register(name="worker")).id
    one = client.send(sorties.create(title="one"))
    assert client.send(sorties.assign(one.id, worker)).status == "assigned"
    assert client.send(sorties.start(one.id, worker)).attempt == 1
    failed = client.send(sorties.fail(one.id, worker, error="broken", attempt=1, cost={"cost_usd": 0.5}))
    assert (failed.status, failed.last_error) == ("failed", "broken")
    assert client.send(sorties.retry(one.id)).status == "pending"
    client.send(sorties.assign(one.id, worker))
    client.send(sorties.start(one.id, worker))
    assert client.send(sorties.review(one.id, worker, result=DONE)).status == "review"
    assert client.send(sorties.cancel(one.id)).status == "cancelled"
    with pytest.raises(AlreadyEnded):
        client.send(sorties.cancel(one.id))


def test_nobody_waits_longer_than_asked_and_everybody_until_there_is_something(served: Served, client: Client) -> None:
    worker = client.send(specialists.register(name="waiting", capabilities=["patience"])).id
    end_work(client)
    assert client.send(sorties.claim(worker)) is None
    assert client.send(sorties.claim(worker, wait_ms=50)) is None
    found: list[str] = []

    def wait() -> None:
        with served.client() as other:
            given = other.send(sorties.claim(worker, wait_ms=30_000))
            found.append(given.sortie.id if given else "")

    thread = threading.Thread(target=wait)
    thread.start()
    while not served.server.service.following.followers:
        client.send(sorties.list_(limit=1))
    made = client.send(sorties.create(title="at last", assigned_to=worker))
    thread.join()
    assert found == [made.id]


def test_missions(client: Client) -> None:
    one = client.send(missions.create(title="one", priority="low"))
    sortie = client.send(sorties.create(title="in it", mission_id=one.id, assigned_to="nobody"))
    assert (
        client.send(missions.update(one.id, {"title": "One"}, if_match=client.send(missions.get(one.id)).version)).title
        == "One"
    )
    assert client.send(missions.start(one.id)).status == "in_progress"
    assert [found.id for found in client.send(missions.sorties_of(one.id)).items] == [sortie.id]
    assert [found.id for found in client.pages(sorties.list_(mission_id=one.id, open_=True))] == [sortie.id]
    assert client.send(missions.cancel(one.id, reason="enough")).reason == "enough"
    assert client.send(missions.archive(one.id)).archived_at
    assert one.id not in [found.id for found in client.pages(missions.list_())]
    assert one.id in [found.id for found in client.pages(missions.list_(archived=True, sort="-created_at"))]
    empty = client.send(missions.create(title="empty"))
    client.send(missions.start(empty.id))
    assert client.send(missions.get(empty.id)).status in ("in_progress", "completed")


def test_missions_of_the_file_run_and_fail_and_go_on(client: Client) -> None:
    end_runs(client)
    run = client.send(missions.run("tidy"))
    assert (run.status, run.metadata["declared"]) == ("in_progress", True)
    (sortie,) = client.send(missions.sorties_of(run.id)).items
    worker = client.send(specialists.register(name="sweeper")).id
    client.send(sorties.assign(sortie.id, worker))
    client.send(sorties.start(sortie.id, worker))
    client.send(sorties.fail(sortie.id, worker, error="no broom"))
    assert client.send(missions.get(run.id)).status == "failed"
    assert client.send(missions.retry(run.id)).status == "in_progress"
    client.send(missions.cancel(run.id))


def test_goals_are_divided(client: Client) -> None:
    found = client.send(missions.decompose("fix the login bug", ["src/login.py"], strategy="risk-based"))
    assert (found.strategy, found.sorties[0].depends_on) == ("risk-based", [])
    assert client.send(missions.decompose("add a feature")).strategy == "feature-based"


def test_messages_and_threads(client: Client, world: World) -> None:
    thread = client.send(threads.open_([world["idle"], world["other"]], title="plans"))
    sent = client.send(
        messages.send(
            world["mailbox"], "note", {"text": "hi"}, sender_id=world["idle"], thread_id=thread.id, priority="urgent"
        )
    )
    assert client.send(messages.get(sent.id)).content == {"text": "hi"}
    assert client.send(messages.read(sent.id, world["other"])).status == "read"
    acked = client.send(messages.ack(sent.id, world["other"], response={"ok": True}))
    assert (acked.status, acked.response) == ("acked", {"ok": True})
    lying = client.send(messages.list_(world["mailbox"], status="pending"))
    assert [one.id for one in lying.items] == [world["message"]]
    later = client.send(messages.list_(world["mailbox"], after=lying.items[0].sequence))
    assert [one.id for one in later.items] == [world["acked"], sent.id]
    for step, there in (("join", True), ("leave", False)):
        found = client.send(threads.step(thread.id, step, "bob"))  # type: ignore[arg-type]
        assert ("bob" in found.participants) is there
    assert client.send(threads.step(thread.id, "close", world["idle"])).status == "closed"
    assert client.send(threads.get(thread.id)).title == "plans"
    mine = client.pages(threads.list_(participant=world["idle"], status="closed"))
    assert {one.id for one in mine} == {thread.id, world["closed"]}


def test_checkpoints(client: Client, world: World) -> None:
    made = client.send(checkpoints.create(world["running_by"], {"notes": "half way"}, ttl_hours=1.5))
    assert made.expires_at is not None
    assert client.send(checkpoints.get(made.id)).context["notes"] == "half way"
    assert client.send(checkpoints.latest(world["running_by"])).id == made.id
    both = client.pages(checkpoints.list_(specialist_id=world["running_by"]))
    assert [one.id for one in both] == [made.id, world["checkpoint"]]
    client.send(specialists.deactivate(world["running_by"]))
    done = client.send(checkpoints.recover(made.id, specialist_id=world["idle"]))
    assert (done.checkpoint_id, done.specialist_id) == (made.id, world["idle"])
    assert "interrupted" in done.prompt
    client.send(checkpoints.delete(made.id))
    with pytest.raises(NotFound):
        client.send(checkpoints.get(made.id))


def test_the_fleet_from_plan_to_rollback(served: Served, client: Client) -> None:
    assert client.send(fleet.plan(targets=["web"]))["counts"]["create"] >= 1
    assert client.send(fleet.plan(exclude=["web", "mission/tidy"]))["actions"] == []
    applied = client.send(fleet.apply(timeout_ms=60_000))
    assert applied.status == "succeeded", applied
    assert client.send(fleet.apply()).status == "unchanged"
    status = client.send(fleet.status())
    assert [one.agrees for one in status.services] == [True]
    before = status.sequence_number
    assert client.send(fleet.service("web")).replicas[0]["state"] == "running"
    assert [one.name for one in client.send(fleet.services()).items] == ["web"]
    assert not client.send(fleet.drift()).drifted
    (story,) = client.send(fleet.why("service/web/1"))
    assert "admin" in story.summary
    served.write(FLEET.replace("'1000'", "'2000'"))
    assert client.send(fleet.apply(confirm=True)).status == "succeeded"
    assert client.send(fleet.compare(2)).differences[0].resource == "service/web"
    assert client.send(fleet.compare(2, 1)).old == 1
    back = client.send(fleet.rollback(why="it sleeps too long"))
    assert back.status == "succeeded"
    assert [(one.revision, one.status, one.holds) for one in client.pages(fleet.revisions())] == [
        (2, "reverted", False),
        (1, "accepted", True),
    ]
    assert client.send(fleet.revision(2)).status == "reverted"
    assert {one.kind for one in client.pages(fleet.history(limit=2))} == {"revision", "apply"}
    assert client.send(fleet.status(at=str(before))).revision is not None
    assert client.send(fleet.services(at="1")).items == []
    left = client.send(fleet.suspend("web", why="looking", for_ms=60_000))
    assert (left.resource, left.actor) == ("service/web", "admin")
    assert [one.resource for one in client.send(fleet.suspensions()).items] == ["service/web"]
    assert client.send(fleet.resume("web")).resource == "service/web"
    assert client.send(fleet.suspensions()).items == []
    assert len(client.send(fleet.suspensions(at=str(client.send(log.head()).sequence_number - 1))).items) == 1


def test_who_acts_as_somebody_else_is_refused(served: Served, world: World) -> None:
    token = served.made(world["idle"], ("work",), specialist=world["idle"])
    with served.client(token) as one:
        assert one.send(specialists.heartbeat(world["idle"])).id == world["idle"]
        with pytest.raises(Exception, match="may act as itself only"):
            one.send(specialists.heartbeat(world["other"]))
        with pytest.raises(Exception, match="may act as itself only"):
            one.send(sorties.progress(world["running"], world["running_by"], 5))
        assert one.send(messages.send(world["mailbox"], "note", {"a": 1})).sender_id == world["idle"]
        with pytest.raises(NotAssigned):
            one.send(sorties.progress(world["running"], world["idle"], 5))


def test_the_other_client_asks_the_same(served: Served, world: World) -> None:
    async def go() -> None:
        async with AsyncClient(served.url, token=served.token) as one:
            assert (await one.send(sorties.get(world["running"]))).status == "in_progress"
            found = [sortie.id async for sortie in one.pages(sorties.list_(assigned_to=world["running_by"], limit=1))]
            assert found == [world["running"]]

    asyncio.run(go())
