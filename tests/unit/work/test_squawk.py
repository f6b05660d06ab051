"""Messages and threads: delivered at least once, dealt with once."""

from __future__ import annotations

from typing import Any

from reconciler.work import squawk
from reconciler.work.refusals import AlreadyEnded, InputRefused, NotAssigned, TransitionRefused

from .world import World


def send(world: World, name: str = "m1", mailbox: str = "box", **more: Any) -> list[str]:
    more = {"message_type": "note", "content": {"text": name}, **more}
    return world.append(squawk.send(name, mailbox, now_ms=world.now, **more))


def test_a_message_makes_its_mailbox_and_is_read_and_acknowledged_once(world: World) -> None:
    assert send(world, sender_id="ada") == ["squawk_sent"]
    assert world.rows.get("mailboxes", "box")
    world.append(squawk.read(world.message("m1"), "w", now_ms=world.now))
    assert squawk.read(world.message("m1"), "w", now_ms=world.now) == []
    assert world.append(squawk.ack(world.message("m1"), "w", now_ms=world.now)) == ["squawk_acked"]
    world.refused(lambda: squawk.ack(world.message("m1"), "w", now_ms=world.now), AlreadyEnded)


def test_acknowledging_reads_it_where_that_was_not_said(world: World) -> None:
    send(world)
    types = world.append(squawk.ack(world.message("m1"), "w", now_ms=world.now, response={"ok": True}))
    assert types == ["squawk_read", "squawk_acked"]
    assert (world.rows.get("messages", "m1") or {})["response"] == {"ok": True}


def test_the_same_id_is_the_same_message_or_none(world: World) -> None:
    send(world)
    assert send(world, existing=world.message("m1")) == []
    other = {"message_type": "note", "content": {}, "now_ms": world.now, "existing": world.message("m1")}
    world.refused(lambda: squawk.send("m1", "box", **other), InputRefused)


def test_malformed_messages(world: World) -> None:
    for more in ({"mailbox": " "}, {"message_type": ""}, {"priority": "huge"}):
        world.refused(lambda more=more: send(world, **more) and [], InputRefused)


def test_the_inbox_has_the_urgent_ones_first_then_the_oldest(world: World) -> None:
    for name, priority in (("m1", "low"), ("m2", "normal"), ("m3", "urgent"), ("m4", "normal")):
        send(world, name, priority=priority)
    world.append(squawk.read(world.message("m4"), "w", now_ms=world.now))
    assert [m.id for m in squawk.inbox(world.messages())] == ["m3", "m2", "m1"]
    assert [m.id for m in squawk.inbox(world.messages(), unread_only=False)] == ["m3", "m2", "m4", "m1"]
    assert [m.id for m in squawk.inbox(world.messages(), after=world.message("m2").sequence)] == ["m3"]


def test_what_was_read_but_not_dealt_with_waits_again_for_every_cursor(world: World) -> None:
    send(world)
    assert squawk.requeue(world.message("m1"), now_ms=world.now, reason="crash") == []
    world.append(squawk.read(world.message("m1"), "w", now_ms=world.now))
    position = len(world.log)
    world.append(squawk.requeue(world.message("m1"), now_ms=world.now, reason="crash"))
    assert [m.id for m in squawk.inbox(world.messages(), after=position)] == ["m1"]


class TestThreads:
    def test_a_conversation(self, world: World) -> None:
        world.refused(lambda: squawk.open_thread("t", [], now_ms=world.now), InputRefused)
        world.append(squawk.open_thread("t", ["ada", "w", "ada"], now_ms=world.now, title="Plans"))
        assert send(world, "m1", thread=world.thread("t"), sender_id="ada") == [
            "squawk_sent",
            "squawk_thread_activity",
        ]
        send(world, "m2", thread=world.thread("t"), sender_id="eve")
        assert world.thread("t").participants == {"ada", "eve", "w"}
        world.append(squawk.leave(world.thread("t"), "eve", now_ms=world.now))
        world.refused(lambda: squawk.leave(world.thread("t"), "eve", now_ms=world.now), TransitionRefused)
        world.append(squawk.join(world.thread("t"), "bob", now_ms=world.now))
        assert squawk.join(world.thread("t"), "bob", now_ms=world.now) == []

    def test_a_closed_one_stays_closed(self, world: World) -> None:
        world.append(squawk.open_thread("t", ["ada"], now_ms=world.now))
        world.refused(lambda: squawk.close(world.thread("t"), "eve", now_ms=world.now), NotAssigned)
        world.append(squawk.close(world.thread("t"), "ada", now_ms=world.now))
        closed = world.thread("t")
        for command in (squawk.join, squawk.leave, squawk.close):
            world.refused(lambda command=command: command(closed, "ada", now_ms=world.now), AlreadyEnded)
        world.refused(lambda: send(world, thread=closed) and [], AlreadyEnded)
