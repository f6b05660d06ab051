"""Ids sort in the order in which they were made."""

from __future__ import annotations

import threading
import time

import pytest

from reconciler import ids
from reconciler.ids import bare, new_id, uuid7


def test_what_is_made_in_one_go_keeps_its_order() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}


def test_a_clock_that_is_put_back_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert uuid7() > before


def test_threads_make_no_id_twice() -> None:
    made: list[list[object]] = [[] for _ in range(4)]

    def make(some: list[object]) -> None:
        some.extend(uuid7() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(some,)) for some in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for some in made for one in some}) == 8_000


def test_an_id_of_a_moment_bears_that_moment() -> None:
    made = uuid7(1_700_000_000_123, b"\0" * 10)
    assert made.int >> 80 == 1_700_000_000_123
    assert uuid7(1_700_000_000_123, b"\0" * 10) == made


def test_a_prefix_can_be_taken_off_again() -> None:
    assert bare(new_id("evt")).version == 7
    assert ids.UUID(int=0) != bare(new_id("evt"))
