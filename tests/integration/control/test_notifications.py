"""Notifications to a real web server and real commands: what is chosen, in order, at least once, and never in the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.control.notify.chosen import chooses, sink_name
from reconciler.control.notify.notifier import Notifier, tell_now
from reconciler.control.notify.outbox import GIVE_UP_MS, MAX_TRIES, Outbox
from reconciler.control.suspending import resume, suspend
from reconciler.events.envelope import Cause, Event
from reconciler.ids import uuid7
from reconciler.projections.store import open_store
from reconciler.spec.desired import Desired, Notification
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, Watching, until
from tests.support.simulated import IMAGE

WEB = f"web: {{image: '{IMAGE}', command: [serve]}}"


class Receiver:
    """A web server that keeps what it was told, and refuses as long as it is asked to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.refusals = 0
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked += 1
                if outer.refusals:
                    outer.refusals -= 1
                    self.send_response(503)
                else:
                    outer.got.append((self.headers["Idempotency-Key"], body))
                    self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=hunter2"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def types(self) -> list[str]:
        return [body["event_type"] for _, body in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def sinks(*declared: str) -> str:
    return "notifications: [" + ", ".join(declared) + "]"


def webhook(receiver: Receiver, events: str) -> str:
    return f"{{events: [{events}], webhook: '{receiver.url}'}}"


def told(yard: Yard) -> list[tuple[str, int]]:
    return [
        (event.event_type, event.data["attempts"])
        for event in yard.events()
        if event.event_type.startswith("notification_")
    ]


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def outbox(yard: Yard, store: Any, clock: Any) -> Outbox:
    desired = yard.look().desired
    return Outbox(store, desired, Cause("fleet", "watch"), project=yard.folder, environ=yard.environ, clock=clock)


def event_of(event_type: str, **data: Any) -> Event:
    return Event(1, uuid7(), event_type, "service", "web", 1, data, None, uuid7(), {}, 0, 0, 1, b"")


@pytest.mark.parametrize(
    ("pattern", "event", "chosen"),
    [
        ("*", event_of("revision_accepted"), True),
        ("*", event_of("notification_delivered"), False),
        ("revision_*", event_of("revision_rejected"), True),
        ("apply_failed", event_of("apply_completed", status="failed"), True),
        ("apply_failed", event_of("apply_completed", status="succeeded"), False),
        ("drift_*", event_of("container_exited"), True),
        ("drift_seen", event_of("container_started", external=True), True),
        ("drift_seen", event_of("container_started"), False),
    ],
)
def test_what_a_declaration_chooses(pattern: str, event: Event, chosen: bool) -> None:
    assert chooses(Notification((pattern,), webhook="http://x"), event) is chosen


def test_the_name_of_a_sink_shows_no_secret_and_changes_with_it() -> None:
    names = {
        sink_name(Notification(("*",), webhook="http://x/hunter2")),
        sink_name(Notification(("a",), webhook="http://x/hunter2")),
        sink_name(Notification(("*",), command=("/usr/bin/logger", "-t", "x"))),
    }
    assert len(names) == 3
    assert not any("hunter2" in name for name in names)
    assert any(name.startswith("logger-") for name in names)


def test_what_happened_since_the_sink_was_declared_in_order_and_once(sandbox: Yard, receiver: Receiver) -> None:
    sandbox.write(WEB)
    sandbox.must_apply()
    declared = sinks(webhook(receiver, '"revision_*", apply_succeeded, "resource_*"'))
    sandbox.write(WEB.replace("serve", "serve, more"), more=declared)
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="x")
        resume(session, "web")
        assert tell_now(session, sandbox.look().desired)
        assert tell_now(session, sandbox.look().desired)
    assert receiver.types() == ["revision_accepted", "apply_completed", "resource_suspended", "resource_resumed"]
    keys = [key for key, _ in receiver.got]
    assert len(set(keys)) == 4
    assert receiver.got[0][1]["event_id"] == keys[0]
    assert receiver.got[2][1]["text"] == "service/web was suspended: x"
    assert told(sandbox) == [("notification_delivered", 1)] * 4


def test_one_that_refuses_is_asked_again_later_and_nothing_overtakes(sandbox: Yard, receiver: Receiver) -> None:
    sandbox.write(WEB, more=sinks(webhook(receiver, '"resource_*"')))
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="x")
        resume(session, "web")
    clock = Clock()
    receiver.refusals = 2
    with open_store(sandbox.database) as store:
        box = outbox(sandbox, store, clock)
        assert box.tell() == 1_000
        assert (box.tell(), receiver.asked) == (1_000, 1)
        clock.now = 1_000
        assert box.tell() == 3_000
        clock.now = 3_000
        assert box.tell() is None
    assert receiver.types() == ["resource_suspended", "resource_resumed"]
    assert told(sandbox) == [("notification_delivered", 3), ("notification_delivered", 1)]


def test_one_that_never_takes_it_is_given_up_and_says_why_without_the_address(
    sandbox: Yard, receiver: Receiver
) -> None:
    sandbox.write(WEB, more=sinks(webhook(receiver, "resource_suspended")))
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="x")
        suspend(session, "web", why="y")
    clock = Clock()
    receiver.refusals = 1_000
    with open_store(sandbox.database) as store:
        box = outbox(sandbox, store, clock)
        for _ in range(MAX_TRIES):
            due = box.tell()
            clock.now = due if due is not None else clock.now
        assert receiver.asked == MAX_TRIES + 1
        # One that is too old is not tried more than once.
        clock.now = 10**15 + GIVE_UP_MS
        assert box.tell() is None
    assert [one[0] for one in told(sandbox)] == ["notification_failed"] * 2
    errors = {one.data["error"] for one in sandbox.events() if one.event_type == "notification_failed"}
    assert errors == {"the webhook answered 503"}


def test_who_died_before_it_could_record_tells_again_under_the_same_key(
    sandbox: Yard, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.write(WEB, more=sinks(webhook(receiver, "resource_suspended")))
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="x")
    with open_store(sandbox.database) as store:
        box = outbox(sandbox, store, Clock())
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                box.tell()
        assert outbox(sandbox, store, Clock()).tell() is None
    first, second = receiver.got
    assert first == second


@pytest.mark.parametrize(
    ("sink", "error"),
    [
        ("{events: [resource_suspended], command: [sh, -c, 'exit 3']}", "sh ended with exit code 3"),
        ("{events: [resource_suspended], command: [no-such-program]}", "no-such-program cannot be run"),
        (
            "{events: [resource_suspended], webhook: 'http://127.0.0.1:1/x'}",
            "cannot be reached: ConnectionRefusedError",
        ),
        ("{events: [resource_suspended], webhook: {secret: hook}}", "the webhook's address is not known"),
        ("{events: [resource_suspended], webhook: {secret: odd}}", "the webhook is no http or https address"),
    ],
)
def test_what_can_be_wrong_with_a_sink(sandbox: Yard, sink: str, error: str) -> None:
    sandbox.environ["ODD"] = "ftp://hunter2"
    sandbox.write(WEB, more=f"secrets: {{hook: {{env: HOOK}}, odd: {{env: ODD}}}}\n{sinks(sink)}")
    sandbox.must_apply()
    with sandbox.session() as session:
        suspend(session, "web", why="x")
        assert not tell_now(session, sandbox.look().desired, seconds=0.3)
    clock = Clock()
    with open_store(sandbox.database) as store:
        box = outbox(sandbox, store, clock)
        while (due := box.tell()) is not None:
            clock.now = due
    (failed,) = [one for one in sandbox.events() if one.event_type == "notification_failed"]
    assert error in failed.data["error"]
    assert "hunter2" not in failed.data["error"]


def test_the_loops_own_thread(sandbox: Yard, receiver: Receiver) -> None:
    sandbox.write(WEB, more=sinks(webhook(receiver, '"resource_*"')))
    sandbox.must_apply()
    first = sandbox.look().desired
    seen: list[Desired | None] = [None]
    with sandbox.session() as session, sandbox.session() as person:
        Notifier(session, lambda: first).stop()
        notifier = Notifier(session, lambda: seen[0])
        notifier.start()
        suspend(person, "web", why="x")
        seen[0] = first
        until(lambda: receiver.types() == ["resource_suspended"], "it told nothing")
        resume(person, "web")
        until(lambda: receiver.types() == ["resource_suspended", "resource_resumed"], "it did not go on telling")
        seen[0] = replace(first, notifications=())
        notifier.stop()
    assert tell_now(session, replace(first, notifications=()))
    session.close()


def test_a_log_that_cannot_be_written_is_no_matter_of_the_notifications(sandbox: Yard, receiver: Receiver) -> None:
    sandbox.write(WEB, more=sinks(webhook(receiver, '"resource_*"')))
    desired = sandbox.look().desired
    with sandbox.session() as session:
        session.database.parent.mkdir(parents=True)
        session.database.write_bytes(b"this is no database, whatever its name may say, and nobody can tell from it")
        assert not tell_now(session, desired)
        notifier = Notifier(session, lambda: desired)
        notifier.start()
        notifier.stop()
    assert receiver.asked == 0


def test_commands_over_real_podman(yard: Yard, receiver: Receiver) -> None:
    yard.environ["HOOK"] = receiver.url
    command = "{events: [apply_succeeded], command: [sh, -c, 'echo \"$FLEET_EVENT_TYPE $FLEET_EVENT_ID\" > told; cat >> told']}"
    hook = '{events: ["revision_*"], webhook: {secret: hook}}'
    service = "web: {image: 'localhost/fleet-busybox:1', command: [sleep, '3600'], stop_signal: SIGKILL}"
    more = f"secrets: {{hook: {{env: HOOK}}}}\n{sinks(command, hook)}"
    yard.write(service, more=more)
    yard.run("apply")
    assert receiver.types() == ["revision_accepted"]
    first, rest = (yard.folder / "told").read_text().split("\n", 1)
    assert first.startswith("apply_completed evt_")
    assert json.loads(rest)["event_id"] == first.split()[1]
    assert b"hunter2" not in yard.database.read_bytes()
    assert "Nothing to do" in yard.run("apply").stdout

    receiver.refusals = 1_000
    yard.write(service.replace("3600", "3601"), more=more)
    late = yard.run("apply", "--yes")
    assert "not every notification was taken" in late.stderr
    receiver.refusals = 0
    yard.write(service.replace("3600", "3601"), more=f"{more}\n{QUICK}")
    with Watching(yard):
        until(lambda: receiver.types() == ["revision_accepted"] * 3, "the loop told nothing")
