"""`fleet squawk`: messages between people and agents."""

from __future__ import annotations

import io

import pytest

from reconciler.control.desk import specialists
from reconciler.control.desk.desk import Desk
from reconciler.projections.store import Store
from tests.support.terminal import Terminal


def test_before_anything_was_recorded_there_is_nothing_to_read_and_one_may_write(terminal: Terminal) -> None:
    assert terminal.fleet("squawk", "read").out == "no messages for ada\n"
    assert terminal.fleet("squawk", "threads").out == "no conversations\n"
    assert not terminal.database.exists()
    sent = terminal.fleet("squawk", "send", "bob", "hello")
    assert sent.out.endswith(" waits for bob\n")


def test_a_message_is_sent_read_and_acknowledged(terminal: Terminal, desk: Desk) -> None:
    ann = desk.run(specialists.register(name="ann")).value.id
    sent = terminal.fleet("squawk", "send", "ann", '{"task": "rebase"}', "--type", "request", "--json").json
    assert (sent["mailbox_id"], sent["sender_id"], sent["content"]) == (ann, "ada", {"task": "rebase"})
    terminal.fleet("squawk", "send", "ann", "at once", "--priority", "urgent")
    peeked = terminal.fleet("squawk", "read", "--mailbox", "ann", "--peek").out
    assert "[urgent]: at once" in peeked.splitlines()[0]
    assert '{"task": "rebase"}' in peeked
    read = terminal.fleet("squawk", "read", "--as", "ann", "--json").json
    assert [one["status"] for one in read] == ["read", "read"]
    assert terminal.fleet("squawk", "read", "--as", "ann").out.startswith("no messages")
    done = terminal.fleet("squawk", "ack", sent["id"], "--as", "ann", "--answer", "merged")
    assert done.out == f"{sent['id']} is acknowledged\n"
    again = terminal.fleet("squawk", "ack", sent["id"], "--as", "ann", "--json")
    assert (again.code, "is acknowledged already" in again.err) == (1, True)
    listed = terminal.fleet("squawk", "read", "--as", "ann", "--all").out
    assert "(acked)" in listed


def test_the_same_id_is_one_message_and_a_reader_has_a_place(terminal: Terminal) -> None:
    for _ in range(2):
        assert terminal.fleet("squawk", "send", "bob", "once", "--id", "msg_x").code == 0
    other = terminal.fleet("squawk", "send", "bob", "twice", "--id", "msg_x")
    assert (other.code, "exists already" in other.err) == (1, True)
    first = terminal.fleet("squawk", "read", "--as", "bob", "--consumer", "pager", "--json").json
    assert [one["id"] for one in first] == ["msg_x"]
    terminal.fleet("squawk", "send", "bob", "news")
    shown = terminal.fleet(
        "squawk", "watch", "--mailbox", "bob", "--consumer", "pager", "--limit", "1", "--json"
    ).json_lines
    assert [one["content"]["text"] for one in shown] == ["news"]
    terminal.fleet("squawk", "send", "cy", "not for bob")
    terminal.fleet("squawk", "send", "bob", "more")
    line = terminal.fleet("squawk", "watch", "--mailbox", "bob", "--consumer", "pager", "--limit", "1").out
    assert line.endswith("ada → bob: more\n")
    assert terminal.fleet("squawk", "watch", "--all", "--consumer", "x").code == 1


def test_a_conversation(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("what about \x1b[31mthis?"))
    assert terminal.fleet("squawk", "send", "bob", "-", "--thread", "design", "--title", "The design").code == 0
    terminal.fleet("squawk", "send", "ada", "fine", "--thread", "design", "--as", "bob")
    assert terminal.fleet("squawk", "threads").out.splitlines()[1].split() == [
        *("design", "open", "The", "design", "ada,", "bob")
    ]
    shown = terminal.fleet("squawk", "threads", "design").out.splitlines()
    assert shown[0] == "The design: open, ada, bob"
    assert shown[1].endswith("ada → bob: what about  [31mthis?")
    document = terminal.fleet("squawk", "threads", "design", "--json").json
    assert [one["sender_id"] for one in document["messages"]] == ["ada", "bob"]
    assert terminal.fleet("squawk", "threads", "design", "--close").out.startswith("The design: closed")
    assert terminal.fleet("squawk", "threads").out == "no conversations\n"
    assert [one["status"] for one in terminal.fleet("squawk", "threads", "--all", "--json").json] == ["closed"]
    assert terminal.fleet("squawk", "threads", "--close").code == 1
    assert terminal.fleet("squawk", "threads", "nothing").code == 1


def test_two_of_one_name_have_no_mailbox_by_it(terminal: Terminal, desk: Desk, store: Store) -> None:
    for _ in range(2):
        desk.run(specialists.register(name="twin"))
    assert terminal.fleet("squawk", "send", "twin", "hello", "--json").json["mailbox_id"] == "twin"
