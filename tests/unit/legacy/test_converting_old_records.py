"""Old records become events; what is odd about them is said, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.legacy.contents import content_of, told_by_metadata
from reconciler.legacy.old_form import OldView
from reconciler.legacy.records import moment, same, storable

from .carried import NOW, carry, findings, recorded, rows_of, there_and_back

AT = "2024-05-01T10:00:00.000Z"
LATER = "2024-05-01T11:00:00.000Z"


def event(name: str, **more: Any) -> dict[str, Any]:
    typical = {"id": name, "type": "note", "stream_id": "m", "data": '{"n":1}', "occurred_at": AT, "causation_id": None}
    return {**typical, "metadata": None, **more}


def lock(name: str, **more: Any) -> dict[str, Any]:
    typical = {"id": name, "file": "a.py", "reserved_by": "w", "reserved_at": AT, "released_at": LATER}
    return {**typical, "purpose": "edit", "checksum": None, "timeout_ms": 30_000, "metadata": None, **more}


def test_a_typical_file_leaves_nothing_beside_its_events() -> None:
    """All four mappings, at their times and in their order, with nothing odd."""
    conversion = carry(
        {
            "mailboxes": {"m": {"id": "m", "created_at": AT, "updated_at": LATER}},
            "events": {"m": [event("e1"), event("e2", occurred_at=LATER, causation_id="e1")]},
            "cursors": {"c": {"id": "c", "stream_id": "m", "position": 2, "updated_at": LATER, "consumer_id": "w"}},
            "locks": {"l": lock("l")},
        }
    )
    assert conversion.findings == ()
    first, *rest = conversion.events
    assert (first.event_type, first.data["legacy"]["counts"]) == (
        "fleet_detected",
        {"mailboxes": 1, "events": 2, "cursors": 1, "locks": 1},
    )
    assert [(e.event_type, e.stream_id) for e in rest] == [
        ("mailbox_created", "m"),
        ("squawk_sent", "m"),
        ("ctk_reserved", "l"),
        ("squawk_sent", "m"),
        ("cursor_advanced", "m"),
        ("ctk_released", "l"),
    ]
    assert not any("legacy" in e.data for e in rest)
    assert rest[3].causation_id == rest[1].event_id
    assert {e.causation_id for e in rest if e is not rest[3]} == {first.event_id}
    rows = rows_of(recorded(conversion.events))
    assert (rows.get("locks", "l") or {})["release_reason"] == "explicit"
    assert (rows.get("cursors", "c") or {})["position"] == 2
    assert (rows.get("mailboxes", "m") or {})["updated_at"] == moment(LATER)


def test_a_mailbox_keeps_the_order_of_its_list_whatever_the_clocks_said() -> None:
    conversion = carry({"events": {"m": [event("e1", occurred_at=LATER), event("e2"), event("e3", occurred_at="?")]}})
    sent = [e for e in conversion.events if e.event_type == "squawk_sent"]
    assert [(e.data["message_id"], e.occurred_at) for e in sent] == [
        ("e1", moment(LATER)), ("e2", moment(AT)), ("e3", moment(AT)),
    ]  # fmt: skip
    assert findings(conversion)[1:] == [f"22 events.m[2].occurred_at: this is no time; {AT} stands for it"]


@pytest.mark.parametrize(
    ("data", "content", "odd"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}, ""),
        ({"a": 1.0}, {"a": 1.0}, ""),
        ("{a", {"text": "{a"}, "not JSON"),
        ('{"a":1,"a":2}', {"text": '{"a":1,"a":2}'}, "not JSON"),
        ('{"a":NaN}', {"text": '{"a":NaN}'}, "not JSON"),
        ("a\0b", {"text": '"a\\u0000b"'}, "not JSON"),
        ("[1]", {"value": [1]}, "no object"),
        (5, {"value": 5}, "no object"),
        ({"x": "\ud800"}, {"text": '{"x": "\\ud800"}'}, "what the log cannot"),
        ('{"x": 1e999}', {"text": '"{\\"x\\": 1e999}"'}, "what the log cannot"),
        (None, {}, "there is no data"),
    ],
)
def test_data_is_carried_over_as_what_it_means(data: Any, content: Any, odd: str) -> None:
    found, said = content_of({"data": data})
    assert (found, odd in said, bool(said)) == (content, True, bool(odd))
    (back,) = there_and_back({"events": {"m": [{"type": "t", "data": data}]}}).events["m"]
    assert same(back, {"type": "t", "data": data})


def test_metadata_tells_sender_thread_and_priority() -> None:
    told = '{"sender_id": "ada", "thread_id": "", "priority": "urgent", "x": 1}'
    assert told_by_metadata(told) == {"sender_id": "ada", "priority": "urgent"}
    assert told_by_metadata("no json") == told_by_metadata(None) == told_by_metadata({"priority": "huge"}) == {}


def test_ids_that_are_none_or_twice() -> None:
    conversion = carry(
        {"events": {"m": [event("a"), event("a"), event("a#2"), event("", id=7), {"type": "", "data": "{}"}]}}
    )
    ids = [e.data["message_id"] for e in conversion.events if e.event_type == "squawk_sent"]
    assert ids[:3] == ["a", "a#2", "a#2#2"]
    assert all(name.startswith("msg_") for name in ids[3:])
    said = [finding.path for finding in conversion.findings]
    assert said == [
        "events.m",
        "events.m[1].id",
        "events.m[2].id",
        "events.m[3].id",
        "events.m[4].occurred_at",
        "events.m[4].type",
    ]


@pytest.mark.parametrize("cause", ["later", "nowhere", 5, "6f1ed002-ab59-4f0c-8b1a-0123456789ab"])
def test_a_cause_that_is_not_there_is_kept_beside_the_message(cause: Any) -> None:
    document = {"events": {"m": [event("e1", causation_id=cause), event("later", occurred_at=LATER)]}}
    conversion = carry(document)
    assert conversion.events[1].data["legacy"] == {"differs": {"causation_id": cause}}
    # One that comes later is in the file: nothing to say, though no event can be caused by a later one.
    assert any("causation_id" in finding.path for finding in conversion.findings) == (cause != "later")


def test_names_that_no_stream_can_bear() -> None:
    document = {
        "mailboxes": {"": {"id": ""}},
        "events": {"": [event("e1")], "x\0": [event("e2")]},
        "cursors": {"": {"stream_id": "", "position": 1, "consumer_id": 5}},
        "locks": {"": lock("")},
    }
    conversion = carry(document)
    assert sum("cannot be the name" in f.message for f in conversion.findings) == 2
    assert sum("this id cannot be used" in f.message for f in conversion.findings) == 2
    back = there_and_back(document)
    assert (list(back.mailboxes), sorted(back.events), list(back.cursors), list(back.locks)) == (
        [""], ["", "x\0"], [""], [""],
    )  # fmt: skip
    assert same(back.events["x\0"][0], event("e2"))


class TestLocks:
    def released(self, *records: dict[str, Any], now_ms: int = NOW) -> dict[str, Any]:
        conversion = carry({"locks": {record["id"]: record for record in records}}, now_ms=now_ms)
        rows = rows_of(recorded(conversion.events))
        return {key: (row["status"], row["release_reason"]) for key, row in rows.scan("locks")}

    def test_released_run_out_held_and_in_the_way(self) -> None:
        soon = (moment(AT) or 0) + 10_000
        assert self.released(lock("l")) == {"l": ("released", "explicit")}
        assert self.released(lock("l", released_at=None)) == {"l": ("expired", "timeout")}
        assert self.released(lock("l", released_at=None), now_ms=soon) == {"l": ("active", None)}
        two = [lock("l1", released_at=None), lock("l2", released_at=None, file="./*.py")]
        assert self.released(*two, now_ms=soon) == {"l1": ("active", None), "l2": ("released", "crash")}

    def test_odd_ones_come_back_as_they_were(self) -> None:
        odd = {
            "a": lock("a", released_at="?", timeout_ms="long", purpose="look", checksum=""),
            "b": lock("other", file="../x", metadata={"k": 1}, acquired_at=5, reserved_at=None),
            "c": lock("c", released_at="2024-05-01T12:00:00+02:00", checksum="c0"),
            "d": lock("d", metadata="\ud800"),
        }
        back = there_and_back({"locks": odd})
        assert all(same(back.locks[key], record) for key, record in odd.items())
        assert len(carry({"locks": odd}).findings) == 2

    def test_what_is_no_lock_is_kept(self) -> None:
        document = {"locks": {"a": 5, "b": lock("b", file=""), "c": lock("c", reserved_by=None)}}
        conversion = carry(document)
        assert (conversion.kept, conversion.imported.counts()["locks"]) == (3, 0)
        assert there_and_back(document).locks == document["locks"]


class TestCursors:
    def test_one_of_each_consumer_in_a_mailbox(self) -> None:
        document = {
            "cursors": {
                "c1": {"stream_id": "m", "position": 1},
                "c2": {"stream_id": "m", "position": 2.5},
                "c3": {"stream_id": "m", "position": True, "consumer_id": "migrated"},
            }
        }
        made = [e.data for e in carry(document).events[1:]]
        assert [(d["cursor_id"], d["consumer_id"], d["position"]) for d in made] == [
            ("c1", "migrated", 1), ("c2", "migrated-2", 0), ("c3", "migrated-3", 0),
        ]  # fmt: skip
        assert there_and_back(document).cursors["c3"]["position"] is True

    def test_what_is_no_cursor_is_kept(self) -> None:
        document = {"cursors": {"a": [], "b": {"position": 1}}}
        assert there_and_back(document).cursors == document["cursors"]


def test_what_is_not_what_it_should_be_is_kept_or_said() -> None:
    text = """{
"mailboxes": {"m": null, "n": {"id": "n", "created_at": "2024-05-01T10:00:00Z", "updated_at": "x"}, "n": {"id": "n"}},
"events": {"m": [5, {"type": "s", "type": "t", "data": "{}", "occurred_at": 1714557600000}], "m": [null], "x": 5, "y": null},
"locks": null, "version": 2, "version": 3
}"""
    conversion = carry(text)
    assert conversion.kept == 6
    assert findings(conversion)[:3] == [
        "2 mailboxes.m: this is no object; it is kept as it is, for the way back",
        "2 mailboxes.n: this id is there twice; the last one counts",
        "2 mailboxes.n.created_at: there is no time; 2027-01-15T08:00:00.000Z stands for it",
    ]
    assert "3 type: this key is there twice in one record; the last one counts" in findings(conversion)
    back = there_and_back(text)
    assert back.mailboxes == {"n": {"id": "n", "created_at": None, "updated_at": None}, "m": None}
    assert [type(record) for record in back.events["m"]] == [type(None), int, dict]
    assert (back.events["x"], back.extra) == (5, {"version": 3})


class TestAgain:
    DOCUMENT = {
        "mailboxes": {"m": {"id": "m", "created_at": AT, "updated_at": LATER}},
        "events": {"m": [event("e1"), event("e1"), event("e2", id=None), 5]},
        "cursors": {"c": {"stream_id": "m", "position": 2}},
        "locks": {"l": lock("l"), "k": lock("k", released_at=None)},
        "version": 1,
    }  # fmt: skip

    def view(self) -> OldView:
        return OldView().add(recorded(carry(self.DOCUMENT).events))

    def test_the_same_file_brings_nothing(self) -> None:
        again = carry(self.DOCUMENT, self.view())
        assert again.is_empty
        assert (again.events, again.skipped) == ([], {"mailboxes": 1, "events": 4, "cursors": 1, "locks": 2})

    def test_the_same_records_in_another_file_bring_nothing(self) -> None:
        again = carry({**self.DOCUMENT, "cursors": {**self.DOCUMENT["cursors"]}, "mailboxes": {**self.DOCUMENT["mailboxes"]},
                       "events": {"m": self.DOCUMENT["events"]["m"][::-1]}}, self.view())  # fmt: skip
        assert (again.imported.counts(), again.skipped["events"], again.skipped["locks"]) == (
            {"mailboxes": 0, "events": 0, "cursors": 0, "locks": 0}, 3, 2,
        )  # fmt: skip

    def test_other_records_under_known_ids_get_new_ones(self) -> None:
        other = {
            "mailboxes": {"m": {"id": "m"}},
            "events": {"m": [event("e1", type="other")]},
            "cursors": {"c": {"stream_id": "m", "position": 9}},
            "locks": {"l": lock("l", file="b.py"), "l#2": lock("l#2")},
        }
        conversion = carry(other, self.view())
        made = {e.event_type: e.data for e in conversion.events}
        assert made["squawk_sent"]["message_id"] == "e1#3"
        assert (made["cursor_advanced"]["cursor_id"], made["cursor_advanced"]["consumer_id"]) == ("c#2", "migrated-2")
        assert sorted(e.stream_id for e in conversion.events if e.event_type == "ctk_reserved") == ["l#2", "l#3"]
        assert any("the log's is kept" in f.message for f in conversion.findings)

    def test_a_lock_that_the_log_holds_is_in_the_way(self) -> None:
        soon = (moment(AT) or 0) + 10_000
        held = OldView().add(recorded(carry({"locks": {"l": lock("l", released_at=None)}}, now_ms=soon).events))
        rows = rows_of(recorded(carry({"locks": {"k": lock("k", released_at=None)}}, held, now_ms=soon).events))
        assert (rows.get("locks", "k") or {})["release_reason"] == "crash"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2024-05-01T10:00:00Z", 1_714_557_600_000),
        ("2024-05-01T12:00:00.0005+02:00", 1_714_557_600_000),
        ("2024-05-01", 1_714_521_600_000),
        (1_714_557_600_000, 1_714_557_600_000),
        (1_714_557_600, 1_714_557_600_000),
        (1_714_557_600.5, 1_714_557_600_500),
        ("1969-12-31T00:00:00Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (True, None),
        (float("inf"), None),
        (1e300, None),
        (None, None),
        ([], None),
    ],
)
def test_times_in_every_spelling(value: Any, found: int | None) -> None:
    assert moment(value) == found


def test_what_a_log_can_hold() -> None:
    deep: Any = {}
    for _ in range(150):
        deep = [deep]
    assert storable({"a": [1, 1.5, None, True, "x"]})
    assert not any(map(storable, (deep, {"a\0": 1}, ["\ud800"], float("nan"), object())))
