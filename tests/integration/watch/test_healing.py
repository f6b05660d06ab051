"""What the watcher puts right, over real Podman."""

from __future__ import annotations

import signal
import time

from reconciler.events.store.query import EventQuery
from reconciler.runtime.podman.client import segment
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, STAYS, Watching, kill_inside, pause, remove, until
from tests.support.podman import sweep

IMAGE = "localhost/fleet-busybox:1"
ORDER = ("container_started", "container_health_changed")
WEB = f"web:\n  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n"))


def _running(yard: Yard, name: str = "web-1") -> str:
    """The id of a container, if it runs."""
    found = yard.containers().get(f"{yard.name}-{name}")
    return found.container_id if found is not None and found.state == "running" else ""


def test_what_is_killed_removed_or_paused_by_hand_is_put_right_with_its_cause(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        first = _running(yard)
        kill_inside(yard, "web-1")
        until(lambda: yard.types().count("container_started") == 2, watching.told())
        remove(yard, "web-1")
        until(lambda: _running(yard) not in ("", first), watching.told())
        pause(yard, "web-1")
        until(lambda: "container_paused" in yard.types() and _running(yard), watching.told())
    assert yard.causes("container_started")[:3] == ["container_started", "action_intended", "container_paused"]
    assert yard.plan() == []


def test_killed_by_hand_it_is_back_within_two_intervals(yard: Yard) -> None:
    yard.write(WEB, more="reconcile: {interval: 5s}")
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        kill_inside(yard, "web-1")
        killed = time.time() * 1000
        until(lambda: yard.types().count("container_started") == 2, watching.told())
    back = next(yard_event for yard_event in reversed(yard.events()) if yard_event.event_type == "container_started")
    assert back.recorded_at - killed < 10_000


def test_nothing_is_recorded_while_nothing_changes(yard: Yard) -> None:
    yard.write(WEB + "  healthcheck: {test: [CMD, 'true'], interval: 1s}\n", more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        until(lambda: next(iter(yard.containers().values())).health == "healthy", watching.told())
        until(lambda: "container_health_changed" in yard.types(), watching.told())
        before, began = yard.head(), time.monotonic()
        # There is no condition for "nothing happens" but time: five intervals, and as many health checks.
        until(lambda: time.monotonic() - began > 5, "")
        assert yard.head() == before, yard.types(after=before)


def test_detect_only_records_and_reports_and_touches_nothing(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard, "--detect-only") as watching:
        watching.says("apply succeeded")
        kill_inside(yard, "web-1")
        watching.says("container_exited")
        head = yard.head()
        yard.write(WEB + "  labels: {edited: 'yes'}\n", more=QUICK)
        watching.says("apply succeeded", after=len(watching.lines))
        assert "container_exited" in yard.types()
        assert [one.event_type for one in yard.events(EventQuery(after=head, types=("revision_accepted",)))]


def test_without_self_healing_revisions_are_still_taken(yard: Yard) -> None:
    settings = "reconcile: {interval: 1s, debounce: 100ms, self_heal: false}"
    yard.write(WEB, more=settings)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        kill_inside(yard, "web-1")
        watching.says("container_exited")
        before = yard.head()
        lines = len(watching.lines)
        yard.write(
            f"{WEB}other:\n  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n")), more=settings
        )
        watching.says("apply succeeded", after=lines)
        assert yard.states() == {"web-1": "exited", "other-1": "running"}
        assert "container_started" in yard.types(after=before)


def test_an_unhealthy_container_is_restarted(yard: Yard) -> None:
    check = "  healthcheck: {test: [CMD, test, '!', -e, /tmp/bad], interval: 1s, retries: 2}\n"
    yard.write(WEB + check, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        container = _running(yard)
        until(lambda: next(iter(yard.containers().values())).health == "healthy", watching.told())
        started = yard.types().count("container_started")
        yard.runtime.exec(container, ("touch", "/tmp/bad"))
        until(lambda: yard.types().count("container_started") > started, watching.told())
        yard.runtime.exec(container, ("rm", "/tmp/bad"))
    assert yard.causes("container_started")[:3] == ["container_started", "action_intended", "container_health_changed"]
    assert "backoff_started" in yard.types()


def test_a_crash_loop_backs_off_and_a_new_watcher_knows_of_it(yard: Yard) -> None:
    yard.write(f"web:\n  image: {IMAGE}\n  command: [sh, -c, 'exit 3']\n", more=QUICK)
    with Watching(yard) as watching:
        watching.says("is left alone for")
        assert watching.end() == 0
    failures = yard.types().count("container_exited")
    head = yard.head()
    with Watching(yard) as watching:
        watching.says("watching")
        # The second watcher waits for what the first one recorded: its first start comes when that is over.
        until(lambda: "container_started" in yard.types(after=head), watching.told())
    backoffs = [one for one in yard.events(EventQuery(types=("backoff_started",))) if one.data["failures"] == 2]
    started = yard.events(EventQuery(types=("container_started",), after=head))[0]
    assert failures == 2
    assert started.recorded_at >= backoffs[0].data["until"]


def test_what_is_given_up_is_left_alone_and_told(yard: Yard) -> None:
    restart = "  restart: {policy: always, max_attempts: 1}\n"
    yard.write(f"web:\n  image: {IMAGE}\n  command: [sh, -c, 'exit 3']\n{restart}", more=QUICK)
    with Watching(yard) as watching:
        watching.says("is given up")
    assert yard.types().count("restart_abandoned") == 1
    assert yard.plan() == []


def test_ctrl_c_and_sigterm_end_it_in_order(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        assert watching.end(signal.SIGTERM) == 0
        assert watching.lines[-1]["event"] == "stopped"
    with Watching(yard) as watching:
        watching.says("watching")
        until(lambda: len(watching.lines), "")
        assert watching.end(signal.SIGINT) == 130


def test_what_is_renamed_by_hand_gets_its_name_back(yard: Yard) -> None:
    yard.write(WEB, more=QUICK)
    with Watching(yard) as watching:
        watching.says("apply succeeded")
        yard.runtime.rename(_running(yard), f"{yard.name}-mine")
        until(lambda: "container_renamed" in yard.types() and _running(yard), watching.told())
    assert "container_drifted" in yard.types()


def test_an_image_that_is_tagged_anew_is_rolled_out(yard: Yard) -> None:
    client = yard.runtime._client  # type: ignore[union-attr]
    repository = f"localhost/{yard.name}"

    def tag(source: str) -> None:
        client.act("POST", f"/images/{segment(source)}/tag", "tag it", query={"repo": repository, "tag": "1"})

    tag(IMAGE)
    yard.write(WEB.replace(IMAGE, f"{repository}:1"), more=QUICK)
    try:
        with Watching(yard) as watching:
            watching.says("apply succeeded")
            first = _running(yard)
            context = yard.folder / "other"
            context.mkdir()
            (context / "Containerfile").write_text(f"FROM {IMAGE}\nLABEL other=yes\n")
            yard.runtime.build(f"{repository}:2", str(context), "Containerfile", {}, "")
            tag(f"{repository}:2")
            until(lambda: _running(yard) not in ("", first), watching.told())
        assert yard.plan() == []
    finally:
        sweep(yard.runtime, yard.label)  # type: ignore[arg-type]
        for name in ("1", "2"):
            client.act("DELETE", f"/images/{segment(f'{repository}:{name}')}", "clean up", query={"force": False})


def test_after_a_reboot_everything_comes_back_in_order(yard: Yard) -> None:
    check = "  healthcheck: {test: [CMD, 'true'], interval: 1s}\n"
    yard.write(f"{WEB}  depends_on: {{db: healthy}}\n{WEB.replace('web:', 'db:')}{check}", more=QUICK)
    yard.must_apply()
    for container in yard.containers().values():
        yard.runtime.stop(container.container_id, 0)
    head = yard.head()
    with Watching(yard) as watching:
        until(lambda: set(yard.states().values()) == {"running"}, watching.told())
    after = [one for one in yard.events(EventQuery(after=head)) if one.event_type in ORDER]
    assert [(one.event_type, one.data["service"]) for one in after][:3] == [
        ("container_started", "db"),
        ("container_health_changed", "db"),
        ("container_started", "web"),
    ]
