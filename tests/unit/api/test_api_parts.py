"""The small parts of the server, each by itself: counts, pages, versions, rates, places."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.api.bodies import Body
from reconciler.api.caller import Caller, caller_of, from_this_machine
from reconciler.api.counting import Counter, Gauge, Histogram, Total, render
from reconciler.api.etags import etag, guarded, matches
from reconciler.api.limits import Rates
from reconciler.api.paging import PageRequest, page_of
from reconciler.api.problems import answer_error, problem_of
from reconciler.api.refusals import BodyTooLarge, Forbidden, InputUnclear, RequestTooSlow, StaleVersion, TooMany
from reconciler.api.tokens import Token, digest_of
from reconciler.client.place import Place, announced, find_server
from reconciler.control.desk.desk import Work
from reconciler.errors import FleetError, Problem, SpecInvalid
from reconciler.events.registry import EventInvalid
from reconciler.projections.rows import MemoryRows
from reconciler.work.refusals import LockConflict

# Counting


def test_what_is_counted_is_printed_for_prometheus() -> None:
    requests = Counter("requests_total", "How many.", ("path",))
    requests.add('a"b\\c\nd')
    requests.add("x", by=2)
    height = Gauge("height", "How high.")
    height.set(1.5)
    total = Total("seconds_total", "How long in all.")
    total.set(2.0)
    took = Histogram("took", "How long.", buckets=(0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7):
        took.observe(value)
    assert render([requests, height, total, took]) == (
        "# HELP requests_total How many.\n# TYPE requests_total counter\n"
        'requests_total{path="a\\"b\\\\c\\nd"} 1\nrequests_total{path="x"} 2\n'
        "# HELP height How high.\n# TYPE height gauge\nheight 1.5\n"
        "# HELP seconds_total How long in all.\n# TYPE seconds_total counter\nseconds_total 2\n"
        "# HELP took How long.\n# TYPE took histogram\n"
        'took_bucket{le="0.1"} 2\ntook_bucket{le="1"} 3\ntook_bucket{le="+Inf"} 4\ntook_sum 7.65\ntook_count 4\n'
    )


def test_what_is_no_more_is_not_printed() -> None:
    states = Gauge("states", "By state.", ("state",))
    states.replace({("up",): 1.0, ("down",): 2.0})
    states.replace({("up",): 3.0})
    assert [values for _, _, values, _ in states.samples()] == [("up",)]


def test_a_histogram_with_labels_begins_empty() -> None:
    took = Histogram("took", "How long.", ("path",), buckets=(1.0,))
    assert list(took.samples()) == []
    took.observe(0.5, "a")
    assert next(took.samples()) == ("took_bucket", ("path", "le"), ("a", "1"), 1)


# Pages


ROWS = [(f"k{number}", {"id": f"k{number}", "rank": number % 3 if number != 5 else None}) for number in range(8)]
SORTS: dict[str, Any] = {"rank": lambda row: row["rank"]}


@pytest.mark.parametrize("sort", ["", "rank", "-rank"])
@pytest.mark.parametrize("limit", [1, 3, 8, 9])
def test_pages_lead_through_everything_once(sort: str, limit: int) -> None:
    seen, cursor = [], ""
    while True:
        page = page_of(ROWS, PageRequest(limit, sort, cursor), sorts=SORTS, default="rank")
        assert page.total == len(ROWS)
        seen += [row["id"] for row in page.rows]
        if page.next is None:
            break
        cursor = page.next
    expected = [
        key
        for _, _, key in sorted(
            ((row["rank"] is not None, row["rank"] or 0, key) for key, row in ROWS), reverse=sort.startswith("-")
        )
    ]
    assert seen == expected


def test_what_comes_and_goes_between_two_pages_moves_nothing() -> None:
    first = page_of(ROWS, PageRequest(4), sorts=SORTS, default="rank")
    changed = [*ROWS[1:], ("a", {"id": "a", "rank": None})]
    rest = page_of(changed, PageRequest(9, "", first.next or ""), sorts=SORTS, default="rank")
    assert {row["id"] for row in [*first.rows, *rest.rows]} == {key for key, _ in ROWS}


def test_filters_count_what_is_left() -> None:
    page = page_of(ROWS, PageRequest(3), sorts=SORTS, default="rank", where=lambda row: row["rank"] == 1)
    assert page.document("things", lambda row: row["id"]) == {"things": ["k1", "k4", "k7"], "total": 3, "next": None}


def test_pages_that_there_cannot_be() -> None:
    first = page_of(ROWS, PageRequest(2, "rank"), sorts=SORTS, default="rank").next or ""
    text = page_of([("a", {"rank": "x"}), ("b", {"rank": "y"})], PageRequest(1), sorts=SORTS, default="rank").next or ""
    for asked in (PageRequest(2, "height"), PageRequest(2, "", "nonsense!"), PageRequest(2, "", "YWJj")):
        with pytest.raises(InputUnclear):
            page_of(ROWS, asked, sorts=SORTS, default="rank")
    with pytest.raises(InputUnclear, match="sorted by"):
        page_of(ROWS, PageRequest(2, "-rank", first), sorts=SORTS, default="rank")
    with pytest.raises(InputUnclear, match="no cursor"):
        page_of(ROWS, PageRequest(2, "", text), sorts=SORTS, default="rank")


# Versions


def test_versions() -> None:
    assert etag(7) == '"7"'
    for wanted, fits in (('"7"', True), ('"6"', False), ('"6", W/"7"', True), ("*", True), ("7", False), ("", False)):
        assert matches(wanted, 7) is fits


def test_a_change_of_what_has_changed_is_refused_before_it_begins() -> None:
    rows = MemoryRows()
    rows.put("things", "a", {"last_event_sequence": 7})
    work = Work(rows, 0)
    assert guarded(lambda _: "done", "things", "a", '"7"')(work) == "done"
    assert guarded(lambda _: "made", "things", "b", '"7"')(work) == "made"
    with pytest.raises(StaleVersion, match="at version 7"):
        guarded(lambda _: pytest.fail("it ran"), "things", "a", '"6"')(work)


# Rates


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    rates = Rates(2.0, 3.0, clock=lambda: now[0])
    for _ in range(3):
        rates.take("a")
    with pytest.raises(TooMany) as refused:
        rates.take("a")
    assert refused.value.retry_after_s == 1
    rates.take("b")
    now[0] = 0.5
    rates.take("a")
    with pytest.raises(TooMany):
        rates.take("a")


def test_strangers_do_not_fill_the_memory() -> None:
    rates = Rates(1.0, 1.0)
    for number in range(10_050):
        rates.take(str(number))
    assert len(rates._left) <= 10_000
    Rates(0.0, 1.0).take("anybody")


# Bodies


def _received(*messages: dict[str, Any]) -> Any:
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


PARTS = ({"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"})


def test_a_body_is_read_once_and_handed_on() -> None:
    async def run() -> None:
        body = Body(_received(*PARTS), 10, 1.0)
        body.check({b"content-length": b"3"})
        assert body.unread
        assert await body.all() == await body.all() == b"abc"
        assert not body.unread
        assert (await body.receive())["body"] == b"abc"

    asyncio.run(run())


def test_a_body_that_is_too_long_or_too_slow() -> None:
    async def run() -> None:
        with pytest.raises(BodyTooLarge):
            Body(_received(), 2, 1.0).check({b"content-length": b"3"})
        with pytest.raises(InputUnclear):
            Body(_received(), 2, 1.0).check({b"content-length": b"three"})
        with pytest.raises(BodyTooLarge):
            await Body(_received(*PARTS), 2, 1.0).all()
        with pytest.raises(RequestTooSlow):
            await Body(_received(PARTS[0]), 10, 0.01).all()
        none = Body(_received({"type": "http.request"}), 10, 0.01)
        none.check({})
        assert await none.all() == b""

    asyncio.run(run())


# Callers


def _token(*scopes: Any, specialist: str = "") -> Token:
    return Token(id="tok", name="n", digest=digest_of("s"), scopes=scopes, created_at=0, specialist=specialist)


def test_scopes_hold_what_they_say() -> None:
    assert caller_of(_token("admin")).reach == {"read", "work", "apply", "admin"}
    assert caller_of(_token("work", "apply")).reach == {"read", "work", "apply"}
    assert caller_of(_token()).reach == set()
    one = caller_of(_token(specialist="spec_a"))
    assert (one.actor, one.reach) == ("spec_a", {"read", "work"})
    one.acts_as("spec_a")
    with pytest.raises(Forbidden):
        one.acts_as("spec_b")
    from_this_machine("somebody").acts_as("spec_b")
    with pytest.raises(Forbidden):
        Caller("x", frozenset({"read"})).needs("work")


# Problems


def test_problems_carry_what_the_error_knows() -> None:
    conflict = LockConflict("held", lock_id="l", holder="h", expires_at=7)
    assert {"lock_id": "l", "holder": "h", "expires_at": 7}.items() <= problem_of(conflict).items()
    wrong = SpecInvalid([Problem("fleet.yaml", 1, 2, "services", "no")])
    assert problem_of(wrong)["problems"][0]["message"] == "no"
    assert problem_of(EventInvalid("t", ("a: b",)))["problems"] == ["a: b"]
    assert "hint" not in problem_of(FleetError("plain"))
    assert problem_of(FleetError("a \ud800 b"))["detail"] == "a ? b"


def test_older_paths_keep_the_older_shape() -> None:
    assert answer_error(TooMany("slow down", retry_after_s=3), "/api/v1/locks").body == b'{"error":"slow down"}'
    assert answer_error(InputUnclear("what?"), "/api/v1/lock/acquire").status_code == 400
    assert answer_error(InputUnclear("what?"), "/api/v1/sorties").status_code == 422


# Places


def test_a_server_is_found_while_it_listens_only(tmp_path: Path) -> None:
    import socket

    assert find_server(tmp_path) is None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = Place(f"http://127.0.0.1:{listening.getsockname()[1]}", os.getpid())
        with announced(tmp_path, place):
            assert find_server(tmp_path) == place
        assert find_server(tmp_path) is None
    with announced(tmp_path, place):
        assert find_server(tmp_path) is None
        other = Place("http://127.0.0.1:1", 1)
        with announced(tmp_path, other):
            pass
    (tmp_path / "server.json").write_text("{")
    assert find_server(tmp_path) is None
