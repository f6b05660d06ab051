"""Messages on a real store: at least once, the urgent ones first, each consumer with its own cursor."""

from __future__ import annotations

import pytest

from reconciler.control.desk import claiming, messages, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.errors import NotFound
from reconciler.projections.store import Store
from reconciler.work.refusals import AlreadyEnded, InputRefused
from reconciler.work.state import SortiePlan
from tests.integration.desk.conftest import mission_of, worker


def test_the_same_message_sent_again_is_no_second_one(desk: Desk, store: Store) -> None:
    first = desk.run(messages.send("ann", {"text": "hello"}, message_id="msg_1"))
    again = desk.run(messages.send("ann", {"text": "hello"}, message_id="msg_1"))
    assert again.value.id == first.value.id
    assert again.events == ()
    with pytest.raises(InputRefused):
        desk.run(messages.send("ann", {"text": "other"}, message_id="msg_1"))
    assert len(messages.inbox(store.rows(), "ann")) == 1


def test_what_is_taken_is_read_and_the_urgent_comes_first(desk: Desk, store: Store) -> None:
    slow = desk.run(messages.send("ann", {"text": "later"})).value
    fast = desk.run(messages.send("ann", {"text": "now"}, priority="urgent")).value
    taken = desk.run(messages.take("ann", "ann", limit=1)).value
    assert [(one.id, one.status) for one in taken] == [(fast.id, "read")]
    rest = desk.run(messages.take("ann", "ann", consumer_id="tool")).value
    assert [one.id for one in rest] == [slow.id]
    assert desk.run(messages.take("ann", "ann")).value == []
    found = messages.cursor(store.rows(), "ann", "tool")
    assert found is not None
    assert found["position"] == messages.inbox(store.rows(), "ann", unread_only=False)[-1].sequence


def test_a_message_is_acknowledged_once_and_put_back_only_after_it_was_read(desk: Desk) -> None:
    key = desk.run(messages.send("ann", {"text": "do it"})).value.id
    assert desk.run(messages.requeue(key, reason="nobody read it")).events == ()
    desk.run(messages.read(key, "ann"))
    assert desk.run(messages.requeue(key, reason="ann died")).value.status == "pending"
    assert desk.run(messages.ack(key, "ann", response={"done": True})).value.status == "acked"
    with pytest.raises(AlreadyEnded):
        desk.run(messages.ack(key, "ann"))
    with pytest.raises(NotFound):
        desk.run(messages.read("msg_none", "ann"))


def test_a_thread_takes_in_who_writes_to_it(desk: Desk, store: Store) -> None:
    thread = desk.run(messages.open_thread(["ann"], title="Design", thread_id="thread_1")).value
    assert desk.run(messages.open_thread(["ann"], thread_id="thread_1")).events == ()
    made = desk.run(messages.open_thread(["ann"])).value
    assert made.id != thread.id
    desk.run(messages.send("ann", {"text": "first"}, sender_id="bob", thread_id=thread.id))
    desk.run(messages.send("bob", {"text": "second"}, sender_id="ann", thread_id=thread.id))
    said = messages.in_thread(store.rows(), thread.id)
    assert [one.content["text"] for one in said] == ["first", "second"]
    assert desk.run(messages.change_thread(thread.id, "cy", "join")).value.participants == {"ann", "bob", "cy"}
    assert desk.run(messages.change_thread(thread.id, "cy", "leave")).value.participants == {"ann", "bob"}
    assert desk.run(messages.change_thread(thread.id, "ann", "close")).value.closed
    with pytest.raises(AlreadyEnded):
        desk.run(messages.send("ann", {"text": "late"}, thread_id=thread.id))


def test_each_consumer_has_its_own_cursor(desk: Desk, store: Store) -> None:
    one = desk.run(messages.advance("ann", 4)).value
    other = desk.run(messages.advance("ann", 9, consumer_id="tool")).value
    assert one["id"] != other["id"]
    assert desk.run(messages.advance("ann", 4)).events == ()
    back = desk.run(messages.advance("ann", 2, consumer_id="tool")).value
    assert (back["id"], back["position"]) == (other["id"], 2)
    assert messages.cursor(store.rows(), "bob") is None
    with pytest.raises(InputRefused):
        desk.run(messages.advance("ann", -1))


def test_a_message_to_who_is_gone_is_kept_in_a_checkpoint_of_the_senders_mission(desk: Desk, store: Store) -> None:
    ann, bob = worker(desk, "ann"), worker(desk, "bob")
    mission_of(desk, SortiePlan())
    assert desk.run(claiming.claim(ann)).value is not None
    desk.run(messages.send(bob, {"text": "while you are here"}, sender_id=ann))
    desk.run(specialists.complete(bob))
    before = len(list(store.rows().scan("checkpoints")))
    key = desk.run(messages.send(bob, {"text": "are you there?"}, sender_id=ann)).value.id
    desk.run(messages.send(bob, {"text": "and you?"}))
    (row,) = [row for _, row in store.rows().scan("checkpoints") if row["trigger"] == "error"]
    assert len(list(store.rows().scan("checkpoints"))) == before + 1
    assert key in row["context"]["recovery"]["blockers"][0]
    desk.run(sorties.create(title="unrelated"))
