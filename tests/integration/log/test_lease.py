"""The writer's lease: one at a time, fenced, renewed, freed when its holder is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from reconciler.errors import LeaseHeld, LeaseLost
from reconciler.events.envelope import Cause, Event
from reconciler.events.store import processes
from reconciler.projections.store import Store, open_store
from tests.support.events import ADA, NOON, Clock, note


def told(store: Store) -> list[tuple[str, int]]:
    return [(event.event_type, event.data["token"]) for event in store.stream("system", "lease")]


def test_taking_and_giving_back_is_in_the_log(store: Store) -> None:
    cause = Cause("ada", "cli")
    with store.lease("apply", holder="host1:1", cause=cause) as lease:
        assert store.append([note("a")], ADA, lease=lease)
        held = store.lease_holder()
        assert held is not None
        assert (held.token, held.holder, held.purpose, held.acquired_at) == (1, "host1:1", "apply", NOON)
        assert held.expires_at == NOON + 30_000
    assert store.lease_holder() is None
    taken, _, released = store.events()
    assert (taken.event_type, taken.data) == ("lease_acquired", {"holder": "host1:1", "purpose": "apply", "token": 1})
    assert (released.event_type, released.data) == ("lease_released", {"holder": "host1:1", "token": 1})
    assert taken.correlation_id == released.correlation_id == cause.correlation_id


def test_the_holder_is_host_and_process_unless_it_says_otherwise(store: Store) -> None:
    with store.lease("apply"):
        held = store.lease_holder()
        assert held is not None
        assert held.holder == f"{os.uname().nodename}:{os.getpid()}"


def test_somebody_else_is_told_who_for_what_and_how_long(store: Store, path: Path, clock: Clock) -> None:
    with store.lease("apply", holder="host1:1"), open_store(path, clock=clock) as other:
        clock.now += 12_000
        with pytest.raises(LeaseHeld, match="host1:1 is writing to this fleet for apply, since 12 s") as refused:
            other.lease("watch")
        assert refused.value.exit_code == 4
        assert "wait for it to finish" in refused.value.hint
    with store.lease("") as again:
        assert again.token == 2
        with pytest.raises(LeaseHeld, match="is writing to this fleet, since 0 s"):
            store.lease("apply")


def test_waiting_for_the_other_one_to_finish(store: Store, path: Path, clock: Clock) -> None:
    first = store.lease("apply")
    with open_store(path, clock=clock) as other:
        with pytest.raises(LeaseHeld):
            other.lease("watch", wait_ms=30)
        waiting = threading.Timer(0.05, first.release)
        waiting.start()
        with other.lease("watch", wait_ms=30_000) as second:
            assert second.token == 2
        waiting.join()
    assert told(store) == [("lease_acquired", 1), ("lease_released", 1), ("lease_acquired", 2), ("lease_released", 2)]


def test_one_who_slept_through_its_term_may_not_write(store: Store, path: Path, clock: Clock) -> None:
    lease = store.lease("apply", ttl_ms=1_000_000)
    clock.now += 1_000_001
    assert store.lease_holder() is None
    with pytest.raises(LeaseLost, match="the lease 1 ran out before it was renewed") as refused:
        store.append([note("a")], ADA, lease=lease)
    assert refused.value.exit_code == 4
    with open_store(path, clock=clock) as other, other.lease("watch", holder="host2:2") as taken:
        assert taken.token == 2
        with pytest.raises(LeaseLost, match="the lease 1 was lost: host2:2 has had 2 since"):
            store.append([note("a")], ADA, lease=lease)
        with pytest.raises(LeaseLost, match="the lease 1 was lost"):
            lease.renew()
        lease.release()
        assert other.append([note("b")], ADA, lease=taken)
    with pytest.raises(LeaseLost, match="another writer has had 2 since"):
        store.append([note("c")], ADA, lease=lease)
    assert told(store) == [
        ("lease_acquired", 1),
        ("lease_broken", 1),
        ("lease_acquired", 2),
        ("lease_released", 2),
    ]
    assert [event.data["content"] for event in store.stream("squawk", "inbox")] == [{"text": "b"}]


def test_one_who_slept_asks_before_it_acts(store: Store, path: Path, clock: Clock) -> None:
    lease = store.lease("apply", ttl_ms=1_000_000)
    lease.check()
    clock.now += 1_000_001
    lease.check()
    assert lease.info.expires_at == clock.now + 1_000_000
    clock.now += 1_000_001
    with open_store(path, clock=clock) as other, other.lease("watch", holder="host2:2"):
        with pytest.raises(LeaseLost, match="the lease 1 was lost: host2:2 has had 2 since"):
            lease.check()
        assert lease.lost
        with pytest.raises(LeaseLost):
            lease.check()


def test_nothing_at_all_is_written_without_the_lease(store: Store, clock: Clock) -> None:
    lease = store.lease("apply", ttl_ms=1_000_000)
    lease.release()
    head = store.head()
    with pytest.raises(LeaseLost, match="was broken or given back"):
        store.append([note("a")], ADA, lease=lease)
    with pytest.raises(LeaseLost), store.transaction(lease):
        raise AssertionError("the block must not be entered")
    assert store.head() == head


def test_a_retry_of_known_events_needs_the_lease_too(store: Store) -> None:
    event = note("a")
    with store.lease("apply") as lease:
        store.append([event], ADA, lease=lease)
        assert store.append([event], ADA, lease=lease)[0].version == 1
        with store.transaction(lease) as transaction:
            transaction.append([note("b")], ADA)
    with pytest.raises(LeaseLost):
        store.append([event], ADA, lease=lease)


def test_renewing_moves_the_end_of_the_term(store: Store, clock: Clock) -> None:
    with store.lease("apply", ttl_ms=1_000_000) as lease:
        clock.now += 900_000
        lease.renew()
        assert lease.info.expires_at == clock.now + 1_000_000
        clock.now += 900_000
        store.append([note("a")], ADA, lease=lease)
        held = store.lease_holder()
        assert held is not None
        assert (held.acquired_at, held.renewed_at) == (NOON, NOON + 900_000)


def test_a_thread_renews_it_while_it_is_held(store: Store, clock: Clock) -> None:
    renewed = threading.Event()
    with store.lease("apply", ttl_ms=60) as lease:
        clock.now += 50
        started = lease.info.renewed_at
        while lease.info.renewed_at == started:
            renewed.wait(0.005)
        store.append([note("a")], ADA, lease=lease)
    assert [event_type for event_type, _ in told(store)] == ["lease_acquired", "lease_released"]


def test_the_thread_notices_a_lost_lease_and_ends(store: Store) -> None:
    with store.lease("apply", ttl_ms=30) as lease:
        store.break_lease(Cause("eve", "cli"))
        lease._thread.join(30)
        assert lease.lost
        assert not lease._thread.is_alive()


def test_the_thread_tries_again_when_the_file_is_busy(store: Store, path: Path) -> None:
    from reconciler.spec.desired import DatabaseSettings

    with open_store(path, settings=DatabaseSettings(busy_timeout_ms=1)) as hasty:
        lease = hasty.lease("apply", ttl_ms=30)
        with store.transaction():
            before = lease.info.renewed_at
            lease._thread.join(0.1)
            assert lease._thread.is_alive()
            assert lease.info.renewed_at == before
        lease._over.wait(0.1)
        assert not lease.lost
        lease.release()


def test_a_person_can_break_it(store: Store) -> None:
    assert store.break_lease(ADA) is None
    lease = store.lease("apply", holder="host1:1")
    broken = store.break_lease(Cause("eve", "cli"))
    assert broken is not None
    assert (broken.token, broken.holder) == (1, "host1:1")
    last = list(store.events())[-1]
    assert (last.event_type, last.data) == ("lease_broken", {"holder": "host1:1", "token": 1, "by": "eve"})
    with pytest.raises(LeaseLost):
        store.append([note("a")], ADA, lease=lease)
    with pytest.raises(LeaseLost):
        lease.renew()
    lease.release()
    lease.release()
    with store.lease("watch") as next_one:
        assert next_one.token == 2
    assert told(store)[-2:] == [("lease_acquired", 2), ("lease_released", 2)]


def test_closing_the_store_gives_it_back(path: Path) -> None:
    store = open_store(path)
    store.lease("apply")
    store.close()
    with open_store(path) as again:
        assert again.lease_holder() is None
        assert told(again)[-1] == ("lease_released", 1)


def test_an_error_in_the_block_gives_it_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lease("apply"):
        raise ZeroDivisionError
    assert store.lease_holder() is None


HOLD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from reconciler.projections.store import open_store

    store = open_store(Path(sys.argv[1]))
    lease = store.lease("apply", ttl_ms=3_600_000)
    print(lease.info.holder, flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture
def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lease for an hour."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.name = process.stdout.readline().strip()  # type: ignore[attr-defined]
        yield process  # type: ignore[misc]
        process.kill()


def test_a_killed_holder_frees_it_at_once(store: Store, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LeaseHeld, match=f"{holder.name} is writing"):  # type: ignore[attr-defined]
        store.lease("watch")
    holder.kill()
    holder.wait()
    assert store.lease_holder() is None
    with store.lease("watch", holder="me") as lease:
        assert lease.token == 2
    by = [event.data["by"] for event in store.events() if event.event_type == "lease_broken"]
    assert by == ["me"]


def test_a_stopped_holder_keeps_it(store: Store, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(LeaseHeld):
        store.lease("watch")
    holder.send_signal(signal.SIGCONT)


def test_whether_a_process_is_dead() -> None:
    me = processes.this_process()
    assert not processes.is_dead(me)
    place, number, started = me.split("\n")
    assert processes.is_dead(f"{place}\n{number}\n{int(started) + 1}")
    assert processes.is_dead(f"{place}\n{1 << 30}\n5")
    for unknown in (f"elsewhere {place}\n{1 << 30}\n5", f"\n{1 << 30}\n5", f"{place}\n{1 << 30}\n", ""):
        assert not processes.is_dead(unknown)


def test_where_the_system_does_not_tell_nobody_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = processes.this_process()
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert processes.this_process() == f"\n{os.getpid()}\n"
    assert not processes.is_dead(me)
    assert not processes.is_dead(processes.this_process())


def test_remains_of_a_process_are_no_process() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert processes._started(child) == ""
    os.waitpid(child, 0)


def test_events_of_the_lease_are_read_like_all_others(store: Store) -> None:
    with store.lease("apply"):
        pass
    events: list[Event] = list(store.events())
    assert [event.stream_type for event in events] == ["system", "system"]
