"""What an agent can do with the tools, through the protocol's own client: everything in its own name, nothing in another's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError

from reconciler.control.desk import locks, messages, missions, reading, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.control.session import Session
from reconciler.errors import LeaseHeld, LogUnusable, NotFound
from reconciler.mcp.opening import open_seat
from reconciler.mcp.presence import Presence
from reconciler.mcp.seat import Seat
from reconciler.mcp.server import build
from reconciler.projections.store import Store
from reconciler.work.refusals import InputRefused
from reconciler.work.state import SortiePlan


class Agent:
    """An agent's program: calls tools and reads resources."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool gives."""
        answer = await self.client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        assert answer.structured_content is not None
        return answer.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Why a tool says no."""
        answer = await self.client.call_tool(tool, arguments)
        assert answer.is_error
        text: str = answer.content[0].text  # type: ignore[union-attr]
        assert "Traceback" not in text
        return text

    async def read(self, uri: str) -> str:
        """A resource's text."""
        answer = await self.client.read_resource(uri)
        return str(answer.contents[0].text)  # type: ignore[union-attr]


def talk(seat: Seat, story: Callable[[Agent], Awaitable[None]]) -> None:
    """Let an agent do something."""

    async def main() -> None:
        async with Client(build(seat)) as client:
            await story(Agent(client))

    anyio.run(main)


def started(desk: Desk, *plans: SortiePlan) -> list[str]:
    mission_id = desk.run(missions.create(title="Ship it")).value.id
    made = [
        desk.run(sorties.create(title=f"Task {number}", mission_id=mission_id, plan=plan)).value.id
        for number, plan in enumerate(plans)
    ]
    desk.run(missions.start(mission_id))
    return made


def test_an_agent_works_on_a_sortie_from_claim_to_review(
    session: Session, desk: Desk, store: Store, project: Path
) -> None:
    plan = SortiePlan(
        name="build",
        prompt="write it",
        files=("a.py",),
        review_kind="code",
        review_by="bob",
        requires=frozenset({"py"}),
    )
    (sortie_id,) = started(desk, plan)
    (project / "a.py").write_text("print()")

    async def work(agent: Agent) -> None:
        claim = await agent("claim")
        assert (claim["kind"], claim["sortie_id"], claim["prompt"]) == ("work", sortie_id, "write it")
        assert claim["lease_expires_at"]
        assert "you work on a sortie already" in await agent.refused("claim")
        await agent("progress", percent=30, message="half of the tests pass", artifacts=["a.py"])
        blocked = await agent("block", reason="no network", kind="resource")
        assert (blocked["status"], blocked["blocked_reason"]) == ("blocked", "no network")
        assert (await agent("unblock"))["status"] == "in_progress"
        done = await agent("complete", summary="written", artifacts=["a.py", "../out"], metrics={"lines": 1})
        assert (done["status"], done["progress"]) == ("review", 30)
        assert json.loads(await agent.read(f"fleet://sorties/{sortie_id}"))["status"] == "review"

    async def review(agent: Agent) -> None:
        assert (await agent("claim"))["kind"] == "review"
        issues = [{"severity": "error", "message": "no docstring", "location": "a.py:1"}]
        back = await agent("review", verdict="needs_changes", feedback="say what it is for", issues=issues)
        assert back["status"] == "in_progress"
        assert "you review nothing" in await agent.refused("review", verdict="approved")

    with open_seat(session, name="ann", capabilities=["py"]) as (ann, _):
        with open_seat(session, name="bob") as (other, _):
            talk(ann, work)
            talk(other, review)
        talk(ann, _rework)
        reported = store.rows().get("sorties", sortie_id)
    assert reported is not None
    assert reported["status"] == "pending"
    assert ann.id == "spec_mcp.ann"
    assert reading.specialist(store.rows(), ann.id).status == "completed"


async def _rework(agent: Agent) -> None:
    claim = await agent("claim")
    assert (claim["kind"], claim["feedback"]) == ("rework", "say what it is for\nerror: no docstring (a.py:1)")
    back = await agent("hand_back", reason="not mine")
    assert back["status"] == "pending"


def test_messages_are_its_own_only(session: Session, desk: Desk) -> None:
    bob = desk.run(specialists.register(name="bob")).value.id
    for_bob = desk.run(messages.send(bob, {"text": "for bob"})).value.id

    async def story(agent: Agent) -> None:
        sent = await agent(
            "squawk_send", to="bob", text="hello", data={"x": 1}, type="ask", priority="high", thread="t1"
        )
        assert (sent["mailbox"], sent["sender"], sent["thread"]) == (bob, "spec_mcp.ann", "t1")
        assert sent["content"] == {"text": "hello", "data": {"x": 1}}
        first = await agent("squawk_send", to="spec_mcp.ann", text="note to self", message_id="mine")
        assert (await agent("squawk_read", peek=True))["messages"][0]["status"] == "pending"
        assert json.loads(await agent.read("fleet://inbox"))["messages"][0]["message_id"] == "mine"
        (read,) = (await agent("squawk_read"))["messages"]
        assert (read["message_id"], read["status"]) == (first["message_id"], "read")
        assert (await agent("squawk_ack", message_id="mine", response={"ok": True}))["status"] == "acked"
        refused = await agent.refused("squawk_ack", message_id=for_bob)
        assert "is not yours\nhint: squawk_read gives you your own" in refused

    with open_seat(session, name="ann") as (ann, _):
        talk(ann, story)


def test_files_are_reserved_and_a_deadlock_is_told(session: Session, desk: Desk, project: Path) -> None:
    (project / "a.py").write_text("1")
    desk.run(locks.reserve(["b.py"], "bob", timeout_ms=600_000))

    async def story(agent: Agent) -> None:
        (held,) = (await agent("reserve", paths=["a.py"], purpose="read", minutes=5))["locks"]
        assert (held["path"], held["holder"], held["purpose"]) == ("a.py", "spec_mcp.ann", "read")
        assert "b.py is held by bob until" in await agent.refused("reserve", paths=["c.py", "b.py"])
        with pytest.raises(Exception, match="deadlock"):
            desk.run(locks.reserve(["a.py"], "bob"))
        status = await agent("status")
        assert [one["path"] for one in status["locks"]] == ["a.py"]
        assert "deadlock" in status["deadlocks"][0]
        assert len(json.loads(await agent.read("fleet://locks"))["locks"]) == 2
        assert "held by bob, not by spec_mcp.ann" in await agent.refused("release", names=["a.py", "b.py"])
        assert (await agent("release", names=[held["lock_id"]]))["locks"][0]["path"] == "a.py"
        assert "nothing called" in await agent.refused("release", names=["a.py"])
        assert "leads out of the project" in await agent.refused("reserve", paths=["../x"])

    with open_seat(session, name="ann") as (ann, _):
        talk(ann, story)


def test_work_of_who_is_gone_is_taken_up(session: Session, desk: Desk, store: Store) -> None:
    (sortie_id,) = started(desk, SortiePlan(name="build", retries=1))

    async def begin(agent: Agent) -> None:
        assert (await agent("claim"))["sortie_id"] == sortie_id
        kept = await agent("checkpoint", note="mind the parser", working_files=["p.py"], facts={"step": 2}, ttl_hours=1)
        assert kept["sorties"] == [sortie_id]
        assert "finish build" in await agent.read(f"fleet://checkpoints/{kept['checkpoint_id']}")
        status = await agent("status")
        assert status["sortie"]["sortie_id"] == sortie_id
        assert (status["missions"][0]["title"], status["missions"][0]["total"]) == ("Ship it", 1)
        assert json.loads(await agent.read("fleet://status"))["name"] == "ann"

    async def go_on(agent: Agent) -> None:
        done = await agent("take_up")
        assert (done["sorties"], done["yours"]) == ([sortie_id], sortie_id)
        assert "finish build" in done["prompt"]
        claim = await agent("claim")
        assert (claim["sortie_id"], "finish build" in claim["context"]) == (sortie_id, True)
        assert "there is no checkpoint ckpt_none" in await agent.refused("take_up", checkpoint_id="ckpt_none")

    with open_seat(session, name="ann") as (ann, presence):
        assert presence is not None
        talk(ann, begin)
        desk.run(specialists.deactivate(ann.id, by="ada"))
        with open_seat(session, name="bob") as (bob, _):
            talk(bob, go_on)


def test_what_is_asked_wrongly_is_a_tools_error(session: Session, desk: Desk) -> None:
    async def story(agent: Agent) -> None:
        assert "you work on no sortie\nhint: claim gives you the next one" in await agent.refused("progress", percent=1)
        assert "less than or equal to 100" in await agent.refused("progress", percent=101)
        assert await agent.refused("no_such_tool")
        assert (await agent("claim"))["kind"] == "nothing"
        with pytest.raises(MCPError, match="there is no sortie"):
            await agent.read("fleet://sorties/sortie_none")
        with pytest.raises(MCPError, match="there is no checkpoint"):
            await agent.read("fleet://checkpoints/ckpt_none")
        desk.run(specialists.drain("spec_mcp.ann", by="ada"))
        assert "is draining" in await agent.refused("claim")
        assert "Error executing tool complete" in await agent.refused("complete", summary="")

    with open_seat(session, name="ann") as (ann, _):
        talk(ann, story)


def test_an_agent_without_a_name_is_somebody_new_and_one_with_a_name_is_alone(session: Session) -> None:
    with open_seat(session) as (one, _), open_seat(session) as (other, _):
        assert one.id != other.id
        assert one.name.startswith("ada-")
    with open_seat(session, name="ann"), pytest.raises(LeaseHeld), open_seat(session, name="ann"):
        pass
    with pytest.raises(InputRefused), open_seat(session, name="../x"):
        pass
    with pytest.raises(NotFound), open_seat(session, specialist="nobody"):
        pass


def test_tools_for_a_specialist_that_is_there_neither_register_nor_leave(session: Session, desk: Desk) -> None:
    bob = desk.run(specialists.register(name="bob")).value.id
    with open_seat(session, specialist="bob") as (seat, presence):
        assert (seat.id, presence) == (bob, None)
    assert reading.specialist(seat.rows, bob).status == "active"


def test_signs_of_life_keep_the_hold_until_it_leaves(session: Session, desk: Desk, store: Store) -> None:
    (sortie_id,) = started(desk, SortiePlan())
    with open_seat(session, name="ann") as (ann, _):
        assert ann.claim() is not None
        before = reading.sortie(store.rows(), sortie_id).lease
        ann.live()
        after = reading.sortie(store.rows(), sortie_id).lease
        assert before is not None
        assert after is not None
        assert after.expires_at >= before.expires_at
        assert reading.specialist(store.rows(), ann.id).status == "busy"
    assert reading.sortie(store.rows(), sortie_id).status == "pending"


def test_presence_survives_refusals_and_leaves_once() -> None:
    class Moody:
        """A seat at which every second thing fails."""

        lived = 0
        left = 0

        def live(self) -> None:
            self.lived += 1
            if self.lived == 1:
                raise LogUnusable("the disk is full")
            seen.set()

        def leave(self, summary: str) -> None:
            self.left += 1
            raise LogUnusable("the disk is full")

    import threading

    seen, moody = threading.Event(), Moody()
    with Presence(moody, every_s=0.001) as presence:  # type: ignore[arg-type]
        assert seen.wait(30)
        presence.leave()
    assert moody.left == 1
