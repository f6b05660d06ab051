"""Kill -9 at every event boundary of an apply against real Podman: the next apply converges by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import FULL, today
from tests.faults.settled import MORE, ONE, TWO, check, settle
from tests.integration.apply.yard import Yard

# One step there and one step back: after both a project is as it was.
REPLACING = "every way of replacing"
STEPS = [(1, 1), (4, 5)] if FULL else [(1, 7), (4, 13)]
SCENARIOS = {"everything comes and goes": ("", ONE), REPLACING: (ONE, TWO)}


def die(yard: Yard, nth: int, parallel: int) -> bool:
    """Run an apply that is killed; False when it came to its end before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.dying", str(yard.folder), str(nth), str(parallel)],
        cwd=Path(__file__).parents[2],
        env={**yard.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("parallel", "step"), STEPS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_after_kill_9_the_next_apply_converges(yard: Yard, scenario: str, parallel: int, step: int) -> None:
    """With several threads the order of effects varies from run to run, so fewer instants are tried there."""
    there_and_back = SCENARIOS[scenario]
    yard.write(there_and_back[0], more=MORE)
    yard.apply()
    lived = [False, False]
    deaths = 0
    for nth in range(1 + today() % step, 200, step):
        for direction, wanted in ((0, there_and_back[1]), (1, there_and_back[0])):
            yard.write(wanted, more=MORE)
            # Replacing there and back is the same thing twice, so each instant is tried on one of the two ways.
            if lived[direction] or (scenario == REPLACING and (nth // step + direction) % 2):
                yard.must_apply()
                continue
            lived[direction] = not die(yard, nth, parallel)
            deaths += not lived[direction]
            settle(yard, parallel)
            check(yard, wanted, f"killed after effect {nth} on the way {('there', 'back')[direction]}")
        if all(lived):
            break
    assert deaths > 1
