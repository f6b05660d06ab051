"""Several who apply and watch at once, some of them killed, some stopped for longer than their lease lasts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.errors import TimedOut
from reconciler.ops.verify import verify
from reconciler.projections.store import open_store
from tests.faults.conftest import FULL, chosen, today
from tests.faults.settled import SLEEPER, settle
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import until

ROOT = Path(__file__).parents[2]
LEASE_MS = 800
STOPPED_AT = ["act: the intent is on disk", "outcome: done and not recorded", "lease: taken", "revision: recorded"]
PASSINGS = [1, 2, 3, 4, 5]
BEFORE = f"web: {{{SLEEPER}, replicas: 2}}\nold: {{{SLEEPER}}}"
AFTER = f"web: {{{SLEEPER}, environment: {{A: b}}}}\nnew: {{{SLEEPER}}}"


class Party:
    """The processes of one test; those that are left are killed at its end."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Party:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.running:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()

    def join(self, *words: str, point: str = "", nth: int = 0, number: int = 0) -> subprocess.Popen[str]:
        """One more; it stops or dies at a crash point, or only when told to."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crash_points", point, str(nth), str(number), *words],
            cwd=self.yard.folder,
            env={**self.yard.environ, "PYTHONPATH": str(ROOT), "FAULT_LEASE_MS": str(LEASE_MS)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def leave(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for the end of one; its exit code and what it complained of."""
        _, errors = process.communicate(timeout=120)
        self.running.remove(process)
        return process.returncode, errors


def _stopped(process: subprocess.Popen[str]) -> bool:
    """Whether it has stopped; False as well when it came to its end."""
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


@pytest.mark.timeout(900)
def test_who_slept_longer_than_its_lease_lasts_is_fenced_off(yard: Yard) -> None:
    yard.write(BEFORE)
    yard.must_apply()
    there, fenced = False, 0
    sure, *others = [(point, nth) for point in STOPPED_AT for nth in PASSINGS]
    for point, nth in [sure, *chosen(others, 1)]:
        told = f"stopped: {point}, passing {nth}"
        there = not there
        yard.write(AFTER if there else BEFORE)
        with Party(yard) as party:
            sleeper = party.join("apply", "--yes", "--parallel", "1", point=point, nth=nth, number=signal.SIGSTOP)
            if not _stopped(sleeper):
                continue
            other = party.join("apply", "--yes", "--wait-lease", "60s")
            code, errors = party.leave(other)
            head, left = yard.head(), yard.plan()
            sleeper.send_signal(signal.SIGCONT)
            awoken, complaint = party.leave(sleeper)
        if code == TimedOut.exit_code:
            # Another of its threads was in the middle of a commit: nobody can write until it goes on.
            assert "kept the event log busy" in errors, (told, errors)
            assert awoken in (0, 4), (told, complaint)
        else:
            assert (code, left) == (0, []), (told, errors)
            assert awoken == 4, (told, complaint)
            assert "lease" in complaint, told
            assert yard.head() == head, told
            fenced += 1
        _check(yard, there=there, told=told)
    assert fenced


def _check(yard: Yard, *, there: bool, told: str) -> None:
    settle(yard, parallel=2)
    names = ("new-1", "web-1") if there else ("old-1", "web-1", "web-2")
    assert yard.plan() == [], told
    assert yard.states() == dict.fromkeys(names, "running"), told
    assert len(yard.runtime.observe(yard.label).containers) == len(names), told
    report = verify(yard.database)
    assert report.sound, (told, report.faults)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("most", [2, 8] if FULL else [4])
def test_a_crowd_leaves_the_fleet_as_declared(yard: Yard, most: int) -> None:
    dice = random.Random(today())
    yard.write(BEFORE, more="reconcile: {interval: 1s, debounce: 10ms, max_destroy: 10}")
    yard.must_apply()
    there = False
    with Party(yard) as party:
        for number in range(40 if FULL else 5):
            while len(party.running) < most:
                watches = len(party.running) % 2
                party.join(*(["watch", "--json"] if watches else ["apply", "--yes", "--wait-lease", "5s"]))
            if number % 3 == 0:
                there = not there
                body = AFTER if there else BEFORE
                yard.write(body, more="reconcile: {interval: 1s, debounce: 10ms, max_destroy: 10}")
            one = dice.choice(party.running)
            one.send_signal(dice.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT]))
            # The moment is meant to be any, so it is drawn and not awaited.
            time.sleep(dice.uniform(0.1, 1.5 * LEASE_MS / 1000))
            for process in party.running:
                process.send_signal(signal.SIGCONT)
            for process in [one for one in party.running if one.poll() is not None]:
                code, errors = party.leave(process)
                assert "a defect of Fleet" not in errors, errors
                assert "Traceback" not in errors, errors
                assert code in {0, 1, 4, 124, 130, -signal.SIGKILL, -signal.SIGTERM}, (code, errors)
    until(lambda: _free(yard), "the lease of the dead is never free")
    _check(yard, there=there, told=f"a crowd of {most}")


def _free(yard: Yard) -> bool:
    with open_store(yard.database, mode="read") as store:
        return store.lease_holder() is None
