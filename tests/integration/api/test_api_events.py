"""Events over HTTP: pages, streams of one kind, appends, and followers who come and go and miss nothing.

`FLEET_LONG` lets fifty followers follow five thousand events; ten follow three hundred otherwise.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving import Served, served

LONG = bool(os.environ.get("FLEET_LONG"))
FOLLOWERS, EVENTS = (50, 5_000) if LONG else (10, 300)
PATH = "/api/v1/events"


def fact(number: int, stream: str = "m", **more: Any) -> dict[str, Any]:
    return {"type": "memory_stored", "stream_id": stream, "data": {"key": str(number)}, **more}


def append(api: Served, *events: dict[str, Any], **more: Any) -> httpx.Response:
    return api.admin.post(PATH, json={"events": list(events), **more})


class Follower(threading.Thread):
    """Reads a stream until it has seen an event, or so many; then hangs up."""

    def __init__(self, api: Served, *, until: int, query: str = "", last: int | None = None) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.comments = 0
        self.started_at = threading.Event()
        self._client = api.client(headers={"authorization": api.admin.headers["authorization"]})
        self._until, self._query = until, query
        self._headers = {} if last is None else {"last-event-id": str(last)}

    def run(self) -> None:
        with self._client.stream("GET", f"{PATH}/stream?{self._query}", headers=self._headers, timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                self.started_at.set()
                if line.startswith("id: "):
                    self.seen.append(int(line[4:]))
                elif line.startswith(":"):
                    self.comments += 1
                # The line with the data ends an event.
                if line.startswith("data: ") and self.seen[-1] >= self._until:
                    return


def test_every_follower_sees_every_event_once_and_in_order(tmp_path: Path) -> None:
    with served(tmp_path) as api:
        append(api, fact(0))
        first, last = api.head() + 1, api.head() + EVENTS
        followers = [Follower(api, until=last, query=f"after={first - 1}") for _ in range(FOLLOWERS - 1)]
        killed = Follower(api, until=first + EVENTS // 3)
        for one in [*followers, killed]:
            one.start()
        for one in [*followers, killed]:
            assert one.started_at.wait(30)
        late = None
        for number in range(EVENTS):
            assert append(api, fact(number)).status_code == 201
            if number == EVENTS // 2:
                killed.join()
                late = Follower(api, until=last, last=killed.seen[-1])
                late.start()
        assert late is not None
        for one in [*followers, late]:
            one.join()
        everything = list(range(first, last + 1))
        for one in followers:
            assert one.seen == everything
        assert killed.seen + late.seen == everything
        while api.service.following.followers:
            api.client().get("/health/live")


def test_a_follower_who_comes_late_begins_where_it_says(api: Served) -> None:
    for _ in range(2):
        assert append(api, *(fact(number, "late") for number in range(600))).status_code == 201
    head = api.head()
    late = Follower(api, until=head, last=head - 1_150)
    late.start()
    late.join()
    assert late.seen == list(range(head - 1_149, head + 1))


def test_a_follower_sees_only_what_it_asked_for(api: Served) -> None:
    append(api, fact(1, "chosen"))
    head = api.head()
    chosen = Follower(api, until=head + 4, query="stream_type=system&stream_id=chosen&type=memory_stored")
    chosen.start()
    assert chosen.started_at.wait(30)
    append(api, fact(2, "chosen"), fact(3, "other"), fact(4, "chosen"), fact(5, "chosen"))
    chosen.join()
    assert chosen.seen == [head + 1, head + 3, head + 4]
    again = Follower(api, until=head + 4, query=f"stream_id=chosen&after={head}&limit=2")
    again.start()
    again.join()
    assert again.seen == [head + 1, head + 3]


def test_a_stream_on_which_nothing_happens_says_so_and_ends_with_the_server(tmp_path: Path) -> None:
    with served(tmp_path, heartbeat_s=0.01) as api:
        quiet = Follower(api, until=1 << 62)
        quiet.start()
        while quiet.comments < 3:
            api.client().get("/health/live")
        api.server.stop()
        quiet.join()
    assert quiet.seen == []


def test_what_another_process_records_is_followed_too(tmp_path: Path) -> None:
    from reconciler.events.envelope import Cause, NewEvent
    from reconciler.projections.store import open_store

    with served(tmp_path) as api:
        follower = Follower(api, until=1)
        follower.start()
        assert follower.started_at.wait(30)
        with open_store(api.service.store.path) as other:
            other.append([NewEvent("memory_stored", "system", "m", {"key": "k"})], Cause("somebody", "cli"))
        follower.join()
        assert follower.seen == [1]


def test_pages_lead_through_all_events_both_ways(api: Served) -> None:
    append(api, *(fact(number, "paged") for number in range(7)))
    for order in ("", "&newest_first=true"):
        found: list[str] = []
        cursor = ""
        while True:
            page = api.admin.get(f"{PATH}?stream_id=paged&limit=3{order}&cursor={cursor}").json()
            assert page["total"] == 7
            found += [event["data"]["key"] for event in page["events"]]
            cursor = page["next"]
            if cursor is None:
                break
        expected = [str(number) for number in range(7)]
        assert found == (expected[::-1] if order else expected)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("stream_id=picked", 3),
        ("stream_id=picked&type=memory_expired", 1),
        ("stream_id=picked&type=memory_expired&type=memory_stored", 3),
        ("stream_id=picked&text=needle", 1),
        ("stream_id=picked&since=1 hour ago&until=now", 3),
        ("stream_id=picked&since=1&until=2", 0),
        ("stream_id=picked&until=2020-01-01T00:00:00Z", 0),
        ("stream_type=fleet", 0),
    ],
)
def test_filters(api: Served, query: str, count: int) -> None:
    if not api.admin.get(f"{PATH}?stream_id=picked").json()["total"]:
        append(api, fact(0), fact(0), fact(0))
        gone = {"type": "memory_expired", "stream_id": "picked", "data": {"key": "k"}}
        append(api, fact(1, "picked"), {**fact(2, "picked"), "data": {"key": "needle"}}, gone)
    found = api.admin.get(f"{PATH}?{query}").json()
    assert (found["total"], len(found["events"])) == (count, count)


@pytest.mark.parametrize(
    "query",
    [
        "type=nothing_happened", "stream_type=nowhere", "cursor=abc", "cursor=-1", "limit=0", "limit=1001", "since=whenever",
        "correlation_id=x", "after=-1", f"cursor={1 << 63}",
    ],
)  # fmt: skip
def test_questions_that_cannot_be_answered(api: Served, query: str) -> None:
    assert api.admin.get(f"{PATH}?{query}").status_code == 422


def test_one_event_and_all_that_belongs_to_it(api: Served) -> None:
    first, second = append(api, fact(1, "whole"), fact(2, "whole")).json()["events"]
    assert api.admin.get(f"{PATH}/{first['event_id']}").json() == {"event": first}
    together = api.admin.get(f"{PATH}/correlation/{first['correlation_id']}").json()
    assert together == {"events": [first, second], "total": 2, "next": None}
    caused = append(api, fact(3, "whole", causation_id=first["event_id"])).json()["events"]
    assert api.admin.get(f"{PATH}?causation_id={first['event_id']}").json()["events"] == caused
    assert api.admin.get(f"{PATH}/evt_{'0' * 32}").status_code == 404
    assert api.admin.get(f"{PATH}/nonsense").status_code == 422


@pytest.mark.parametrize("word", ["streams", "stream"])
def test_one_stream_by_its_versions(api: Served, word: str) -> None:
    append(api, *(fact(number, f"v/{word}") for number in range(3)))
    page = api.admin.get(f"{PATH}/{word}/system/v/{word}?limit=2")
    assert page.headers["etag"] == '"3"'
    assert ([one["version"] for one in page.json()["events"]], page.json()["next"]) == ([1, 2], "2")
    rest = api.admin.get(f"{PATH}/{word}/system/v/{word}?after=2").json()
    assert ([one["version"] for one in rest["events"]], rest["total"], rest["next"]) == ([3], 3, None)
    assert api.admin.get(f"{PATH}/{word}/system/none").status_code == 404
    assert api.admin.get(f"{PATH}/{word}/planet/x").status_code == 422


def test_an_append_is_all_or_nothing(api: Served) -> None:
    head = api.head()
    wrong = append(api, fact(1), {"type": "memory_stored", "stream_id": "m", "data": {}})
    assert (wrong.status_code, wrong.json()["problems"]) == (422, ["key: Field required"])
    assert append(api, fact(1), {"type": "nothing_happened", "stream_id": "m", "data": {}}).status_code == 422
    assert api.head() == head


def test_an_event_that_is_sent_again_under_its_id_is_recorded_once(api: Served) -> None:
    sent = fact(1, "twice", event_id="evt_0190c2a0000070008000000000000001")
    first = append(api, sent).json()
    assert append(api, sent).json() == first
    other = append(api, {**sent, "data": {"key": "another"}})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_an_append_that_expects_another_version_is_refused(api: Served) -> None:
    assert append(api, fact(1, "expected"), expected_version=0).status_code == 201
    head = api.head()
    assert append(api, fact(2, "expected"), expected_version=0).status_code == 409
    assert append(api, fact(2, "expected"), expected_version=1).status_code == 201
    assert api.head() == head + 1


def test_statistics_count_the_log(api: Served) -> None:
    append(api, fact(1))
    found = api.admin.get(f"{PATH}/statistics").json()
    assert found["events"] == api.head()
    assert found["types"]["memory_stored"] > 0
