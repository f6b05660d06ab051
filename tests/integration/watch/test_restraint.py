"""What the watcher leaves alone because somebody said so."""

from __future__ import annotations

import time

from reconciler.events.store.query import EventQuery
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, STAYS, Watching, kill_inside, until

IMAGE = "localhost/fleet-busybox:1"
WEB = f"web:\n  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n"))


def _some_turns() -> None:
    """There is no condition for "nothing happens" but time: three intervals."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 3, "")


def test_a_rollback_stays_rolled_back_until_the_file_changes(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        lines = len(watching.lines)
        yard.write(f"{WEB}  labels: {{version: bad}}\n", more=QUICK)
        watching.says("apply succeeded", after=lines)
        yard.run("rollback", "--yes", "--wait-lease", "20s")
        head = yard.head()
        _some_turns()
        assert not yard.events(EventQuery(types=("revision_accepted", "apply_started"), after=head)), watching.told()
        yard.write(f"{WEB}  labels: {{version: good}}\n", more=QUICK)
        until(lambda: "apply_completed" in yard.types(after=head), watching.told())


def test_a_suspended_resource_stays_alone_until_it_is_resumed(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        yard.run("suspend", "service/web", "--why", "looking into it")
        kill_inside(yard, "web-1")
        until(lambda: "container_exited" in yard.types(), watching.told())
        _some_turns()
        assert yard.states() == {"web-1": "exited"}
        yard.run("resume", "service/web")
        until(lambda: yard.states() == {"web-1": "running"}, watching.told())
