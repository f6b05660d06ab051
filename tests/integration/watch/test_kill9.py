"""A watcher that is killed with -9 at any moment leaves nothing that the next one does not put right."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import STAYS, Watching, remove, until

IMAGE = "localhost/fleet-busybox:1"
SETTINGS = "reconcile: {interval: 1s, debounce: 10ms, max_destroy: 10}"
ROUNDS = int(os.environ.get("FLEET_KILL_ROUNDS", "12"))
BODY = f"  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n"))


def _write(yard: Yard, version: int) -> None:
    labels = f"  labels: {{version: '{version}'}}\n"
    other = f"other:\n{BODY}" if version % 3 else ""
    yard.write(f"web:\n{BODY}{labels}  replicas: {1 + version % 2}\n{other}", more=SETTINGS)


def test_killed_at_random_it_converges_without_duplicates_and_the_log_verifies(yard: Yard) -> None:
    dice = random.Random(20261124)
    _write(yard, 0)
    for version in range(1, ROUNDS + 1):
        with Watching(yard) as watching:
            until(lambda: watching.lines, watching.told())
            _write(yard, version)
            if version % 4 == 0 and f"{yard.name}-web-1" in yard.containers():
                remove(yard, "web-1")
            # The moment is meant to be any, so it is drawn and not awaited.
            time.sleep(dice.uniform(0.0, 1.2))
            watching.end(signal.SIGKILL)
    with Watching(yard) as watching:
        until(lambda: yard.plan() == [], "it never converged")
    wanted = {f"web-{replica}" for replica in range(1, 2 + ROUNDS % 2)} | ({"other-1"} if ROUNDS % 3 else set())
    assert yard.states() == dict.fromkeys(sorted(wanted), "running")
    assert yard.run("verify").returncode == 0
