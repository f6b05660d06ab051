"""Reservations of files: one spelling a file, one holder a path, and an end to every hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.work import locks
from reconciler.work.refusals import AlreadyEnded, InputRefused, LockConflict, WrongHolder
from reconciler.work.state import FileLock

from .world import World


def reserve(world: World, name: str, path: str, by: str, **more: object) -> list[str]:
    return world.append(locks.reserve(name, path, by, world.locks(), now_ms=world.now, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "root", "meant"),
    [
        ("src/a.py", "", "src/a.py"),
        (" ./src//b/../a.py ", "", "src/a.py"),
        ("src\\a.py", "", "src/a.py"),
        ("/work/shop/src/a.py", "/work/shop", "src/a.py"),
        ("/work/shop", "/work/shop/", "**"),
        ("/work/shopping/a.py", "/work/shop", "/work/shopping/a.py"),
        ("//etc/hosts", "", "/etc/hosts"),
        ("/etc/hosts", "/", "etc/hosts"),
        ("src/", "", "src/**"),
        (".", "", "**"),
        ("./", "", "**"),
        ("/", "", "/**"),
        ("cafe\u0301.py", "", "caf\u00e9.py"),
    ],
)
def test_one_spelling_for_one_file(written: str, root: str, meant: str) -> None:
    assert locks.normalize(written, root) == meant


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "..", "../x", "src/../../x"])
def test_no_path_of_the_project(path: str) -> None:
    with pytest.raises(InputRefused):
        locks.normalize(path)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a.py", "a.py", True),
        ("a.py", "b.py", False),
        ("src/**", "src/x/y.py", True),
        ("src/**", "src", True),
        ("src/**", "srcs/y.py", False),
        ("**/*.py", "src/x/y.py", True),
        ("src/**/z.py", "src/z.py", True),
        ("src/*.py", "src/x/y.py", False),
        ("*.py", "test_*", True),
        ("*.py", "*.md", False),
        ("?.py", "a.py", True),
        ("[ab].py", "c.py", True),
        ("[ab.py", "[ab.py", True),
        ("[ab.py", "a.py", False),
        ("a/**/b", "**/c", False),
        ("/**", "/etc/hosts", True),
    ],
)
def test_globs_overlap_with_what_they_could_match(one: str, other: str, meet: bool) -> None:
    assert locks.overlaps(one, other) is locks.overlaps(other, one) is meet


segments = st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "?"]), min_size=1, max_size=4).map("/".join)


@given(segments, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map("/".join))
def test_a_pattern_meets_every_path_that_it_matches(pattern: str, path: str) -> None:
    import re

    parts = ["(?:[^/]+/)*" if p == "**" else re.escape(p).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "/"
             for p in pattern.split("/")]  # fmt: skip
    assert locks.overlaps(pattern, path) == bool(re.fullmatch("".join(parts), path + "/"))


def test_a_second_specialist_is_told_who_holds_the_file_and_until_when(world: World) -> None:
    assert reserve(world, "l1", "src/a.py", "a", checksum="c0") == ["ctk_reserved"]
    refusal = world.refused(
        lambda: locks.reserve("l2", "./src/*.py", "b", world.locks(), now_ms=world.now), LockConflict
    )
    assert isinstance(refusal, LockConflict)
    assert (refusal.lock_id, refusal.holder, refusal.expires_at) == ("l1", "a", world.now + 30_000)
    assert world.log[-1].event_type == "ctk_conflict"
    assert world.log[-1].data["conflict_type"] == "concurrent_edit"


def test_the_holder_prolongs_its_own_and_may_take_what_overlaps_with_it(world: World) -> None:
    reserve(world, "l1", "src/a.py", "a")
    world.now += 10_000
    reserve(world, "other-id", "src/a.py", "a", timeout_ms=60_000)
    assert [(lock.id, lock.expires_at) for lock in world.locks()] == [("l1", world.now + 60_000)]
    reserve(world, "l2", "src/", "a")
    assert len(world.locks()) == 2


def test_a_lock_that_ran_out_gives_way_and_is_recorded_as_stale(world: World) -> None:
    reserve(world, "l1", "a.py", "a", timeout_ms=1_000)
    world.now += 1_000
    assert reserve(world, "l2", "a.py", "b") == ["ctk_conflict", "ctk_released", "ctk_reserved"]
    assert (world.lock("l1").status, world.lock("l2").reserved_by) == ("expired", "b")
    world.now += 30_000
    assert reserve(world, "l3", "a.py", "b") == ["ctk_released", "ctk_reserved"]


def test_malformed_requests(world: World) -> None:
    for more in ({"purpose": "look"}, {"timeout_ms": 0}, {"timeout_ms": True}):
        world.refused(lambda more=more: locks.reserve("l", "a", "a", (), now_ms=0, **more), InputRefused)
    world.refused(lambda: locks.reserve("l", "a", "", (), now_ms=0), InputRefused)


def test_release_by_the_holder_by_another_and_by_an_operator(world: World) -> None:
    reserve(world, "l1", "a.py", "a", purpose="read", checksum="c0")
    lock = world.lock("l1")
    world.refused(lambda: locks.release(lock, "b", now_ms=world.now), WrongHolder)
    types = world.append(locks.release(lock, "b", now_ms=world.now, force=True, final_checksum="c1"))
    assert types == ["ctk_conflict", "ctk_released"]
    assert world.log[-2].data["conflict_type"] == "checksum_mismatch"
    world.refused(lambda: locks.release(world.lock("l1"), "a", now_ms=world.now), AlreadyEnded)
    reserve(world, "l2", "a.py", "a")
    assert world.append(locks.release(world.lock("l2"), "a", now_ms=world.now, final_checksum="c1")) == ["ctk_released"]


def test_time_ends_a_lock_once(world: World) -> None:
    reserve(world, "l1", "a.py", "a")
    assert locks.expire(world.lock("l1"), now_ms=world.now + 29_999) == []
    world.append(locks.expire(world.lock("l1"), now_ms=world.now + 30_000))
    assert locks.expire(world.lock("l1"), now_ms=world.now + 30_001) == []


def held(name: str, path: str, by: str) -> FileLock:
    return FileLock(id=name, file_path=path, normalized_path=path, reserved_by=by, reserved_at=0, expires_at=100)


class TestDeadlocks:
    def test_a_circle_is_named_from_its_smallest_id_on(self, world: World) -> None:
        holds = [held("1", "x", "c"), held("2", "y", "a"), held("3", "z", "b")]
        (found,) = locks.deadlocks({"a": ["z"], "b": ["x"], "c": ["y"], "d": ["y"]}, holds, 0)
        assert found.text == "deadlock: a waits for z of b, b waits for x of c, c waits for y of a"
        world.append([locks.deadlock_event(found, 0)])

    def test_no_circle_no_deadlock(self) -> None:
        holds = [held("1", "x", "a"), held("2", "y", "b"), held("3", "z", "c")]
        assert locks.deadlocks({"a": ["y", "x"], "b": ["z"]}, holds, 0) == ()
        assert locks.deadlocks({"a": ["y"], "b": ["x"]}, holds, 100) == ()

    def test_every_circle_is_found_though_one_leads_into_the_other(self) -> None:
        holds = [held("1", "pa", "a"), held("2", "pb", "b"), held("3", "pc", "c"), held("4", "pd", "d")]
        found = locks.deadlocks({"a": ["pb", "pc"], "b": ["pa"], "c": ["pd"], "d": ["pc"]}, holds, 0)
        assert [circle.specialists for circle in found] == [("a", "b"), ("c", "d")]
