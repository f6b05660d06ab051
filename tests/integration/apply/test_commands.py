"""The commands that change things, in this process, over an engine in memory; and their bytes on a real terminal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.interruption import interruptible
from reconciler.cli.progress import JsonProgress, LiveProgress, PlainProgress, progress_for
from reconciler.errors import ToolMissing
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import ServiceSpec
from tests.integration.apply.yard import Yard
from tests.support.podman import BUSYBOX
from tests.support.simulated import IMAGE, SimulatedRuntime
from tests.support.terminal import Answer, Terminal

SERVE = f"image: '{IMAGE}', command: [serve]"
CHECK = "healthcheck: {{test: [CMD, '{0}'], interval: 10ms, timeout: 10ms, retries: 1}}"


class Shop:
    """A project whose commands find an engine in memory."""

    def __init__(self, terminal: Terminal, runtime: SimulatedRuntime) -> None:
        self.runtime = runtime
        self._terminal = terminal

    def write(self, services: str, *, more: str = "") -> None:
        lines = "\n".join(f"  {line}" for line in services.strip("\n").split("\n"))
        block = f"services:\n{lines}\n" if services else ""
        (self._terminal.directory / "fleet.yaml").write_text(f"version: 1\nname: shop\n{more}\n{block}")

    def fleet(self, *words: str, code: int = 0) -> Answer:
        """Run a command line that ends with this code."""
        answer = self._terminal.fleet(*words)
        assert answer.code == code, answer
        return answer

    def states(self) -> dict[str, str]:
        return {one.name: one.state for one in sorted(self.runtime.containers.values(), key=lambda one: one.name)}


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEET_ACTOR", "ada")
    folder = tmp_path / "shop"
    folder.mkdir()
    runtime = SimulatedRuntime()
    monkeypatch.setattr(Podman, "connect", lambda environ: runtime)
    return Shop(Terminal(folder, capsys), runtime)


class TestApply:
    def test_plain_lines(self, shop: Shop) -> None:
        shop.write(f"db: {{{SERVE}, {CHECK.format('true')}}}\nweb: {{{SERVE}, depends_on: {{db: healthy}}}}")
        said = re.sub(r" ?\(?\d+\.\d s\)?", "", shop.fleet("apply").out)
        assert said == (
            "done     create network/default\n"
            "done     create service/db/1\n"
            "waiting  healthy service/db\n"
            "ready    healthy service/db\n"
            "done     create service/web/1\n"
            "Done in: 5 actions.\n"
        )
        assert shop.fleet("apply").out == "Nothing to do: 3 resources are as declared.\n"

    def test_json_lines(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        lines = shop.fleet("apply", "--json").json_lines
        assert [line["event"] for line in lines][0 :: len(lines) - 1] == ["plan", "completed"]
        assert lines[0]["plan"]["counts"]["create"] == 1
        done = [line["id"] for line in lines if line.get("state") == "done"]
        assert done == ["define service/web", "create network/default", "create service/web/1"]
        assert (lines[-1]["status"], lines[-1]["done"], lines[-1]["failures"]) == ("succeeded", 3, [])
        again = shop.fleet("apply", "--json").json_lines
        assert again == [{"event": "completed", "status": "unchanged", "unchanged": 2}]

    def test_check_touches_nothing_and_says_what_plan_says(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        assert shop.fleet("apply", "--check").out == shop.fleet("plan").out
        assert shop.fleet("apply", "--check", "--json").json == shop.fleet("plan", "--json").json
        assert shop.states() == {}

    def test_diff_shows_the_plan_first(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        said = shop.fleet("apply", "--diff").out
        assert said.startswith("Plan for shop:")
        assert said.index("Plan for shop:") < said.index("done     create")

    def test_what_fails_is_told_and_the_exit_code_says_so(self, shop: Shop) -> None:
        shop.write(f"a: {{{SERVE}}}\nb: {{{SERVE}, depends_on: {{a: started}}}}\nc: {{{SERVE}}}")
        shop.runtime.fail("start")
        answer = shop.fleet("apply", "--parallel", "1", code=1)
        assert "failed   create service/a/1: start was told to fail" in answer.out
        assert "skipped  create service/b/1: create service/a/1 failed" in answer.out
        assert "fleet: create service/a/1: start was told to fail" in answer.err
        assert "1 failed, 1 skipped. What did not fail is in place" in answer.err
        lines = shop.fleet("apply", "--json").json_lines
        assert lines[-1]["status"] == "succeeded"

    def test_a_revert_is_told(self, shop: Shop) -> None:
        def block(test: str) -> str:
            return f"web: {{{SERVE}, update: {{auto_revert: true}}, {CHECK.format(test)}}}"

        shop.write(block("true"))
        shop.fleet("apply")
        shop.write(block("false"))
        answer = shop.fleet("apply", "--yes", code=1)
        assert "service/web went back to its last good definition." in answer.err
        again = shop.fleet("apply")
        assert "service/web: what the file says was tried and never became healthy" in again.out
        shop.write(f"{block('false')}\nother: {{{SERVE}}}")
        lines = shop.fleet("apply", "--json").json_lines
        assert lines[-1]["status"] == "succeeded"
        shop.fleet("services", "up", "web", "--yes", code=1)

    def test_problems_come_first(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}, environment: {{P: {{secret: p}}}}}}", more="secrets: {p: {env: SURELY_NOT_SET}}")
        answer = shop.fleet("apply", code=1)
        assert "failed   before anything is touched: the secret p has no value" in answer.out
        lines = shop.fleet("apply", "--json", code=1).json_lines
        assert [line["problems"] for line in lines if line["event"] == "problems"][0][0].startswith("the secret p")

    def test_out_of_time(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}, healthcheck: {{test: [CMD, 'false'], interval: 60s, retries: 100}}}}")
        answer = shop.fleet("apply", "--timeout", "100ms", code=124)
        assert "Out of time in" in answer.err
        shop.write(f"web: {{{SERVE}, healthcheck: {{test: [CMD, 'false'], interval: 60s, retries: 99}}}}")
        lines = shop.fleet("apply", "--timeout", "100ms", "--json", "--yes", code=124).json_lines
        assert lines[-1]["status"] == "timed_out"
        assert shop.fleet("apply", "--timeout", "soon", code=1).err != ""

    def test_a_destructive_plan_needs_a_yes(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}, replicas: 4}}")
        shop.fleet("apply")
        shop.write("")
        answer = shop.fleet("apply", code=7)
        assert "the plan destroys 4 containers, and reconcile.max_destroy allows 3" in answer.err
        assert len(shop.states()) == 4
        shop.fleet("apply", "--yes")
        assert shop.states() == {}

    def test_parts_of_a_fleet(self, shop: Shop) -> None:
        shop.write(f"a: {{{SERVE}, tags: [x]}}\nb: {{{SERVE}, tags: [y]}}\nc: {{{SERVE}}}")
        shop.fleet("apply", "--limit", "a")
        assert list(shop.states()) == ["shop-a-1"]
        shop.fleet("apply", "--tags", "y")
        assert list(shop.states()) == ["shop-a-1", "shop-b-1"]
        shop.fleet("apply", "--exclude", "c", "--skip-tags", "x")
        assert len(shop.states()) == 2

    def test_only_something_to_record(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        shop.fleet("apply")
        shop.write(f"web: {{{SERVE}}}", more="reconcile: {interval: 1m}")
        assert shop.fleet("apply").out == "Recorded what was seen; no container needed a change.\n"
        shop.write(f"web: {{{SERVE}}}", more="reconcile: {interval: 2m}")
        assert shop.fleet("apply", "--json").json_lines[-1] == {"event": "completed", "status": "recorded"}

    def test_warnings_of_the_file(self, shop: Shop) -> None:
        shop.write(f"db: {{provider: postgres, {SERVE}, {CHECK.format('true')}}}")
        assert "this database has no password" in shop.fleet("apply", "--check").err

    def test_a_file_that_is_wrong(self, shop: Shop) -> None:
        shop.write("web: {imago: x}")
        assert "fleet.yaml" in shop.fleet("apply", code=3).err


class TestServices:
    def test_up_down_restart(self, shop: Shop) -> None:
        shop.write(f"db: {{{SERVE}, {CHECK.format('true')}}}\nweb: {{{SERVE}, ports: ['18080:80']}}")
        up = shop.fleet("services", "up")
        assert "web  http://localhost:18080/  (container shop-web-1)" in up.out
        assert "db   no published port  (container shop-db-1)" in up.out
        assert up.out.endswith("Next: fleet services status\n")
        assert "Next: fleet services logs web" in shop.fleet("services", "up", "web").out

        down = shop.fleet("services", "down", "web")
        assert "web is stopped; its containers and data are kept\nNext: fleet services up web\n" in down.out
        assert shop.fleet("services", "down", "web").out == "web was not running\n"
        assert shop.fleet("apply").out.startswith("Nothing to do")
        assert shop.states() == {"shop-db-1": "running", "shop-web-1": "exited"}
        shop.fleet("services", "restart", "web")
        assert shop.states() == {"shop-db-1": "running", "shop-web-1": "running"}
        shop.runtime.calls.clear()
        shop.fleet("services", "restart")
        assert {call for call in shop.runtime.calls if call.startswith("restart")} == {
            "restart shop-db-1",
            "restart shop-web-1",
        }

    def test_a_stop_that_is_recorded_before_anything_runs(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        assert shop.fleet("services", "down").out == "web was not running\n"
        shop.fleet("apply")
        shop.runtime.end("shop-web-1", 0)
        assert shop.fleet("services", "down").out.startswith("web was not running")
        assert shop.fleet("apply").out.startswith("Nothing to do")

    def test_a_stop_that_fails(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        shop.fleet("apply")
        shop.runtime.fail("stop")
        assert "stop was told to fail" in shop.fleet("services", "down", code=1).err

    def test_one_that_is_not_ready(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}, healthcheck: {{test: [CMD, 'false'], interval: 60s, retries: 100}}}}")
        assert "Out of time" in shop.fleet("services", "up", "--timeout", "200ms", code=124).err
        answer = shop.fleet("services", "up", "--timeout", "300ms", code=124)
        assert "waiting for web (1/30)" in answer.out
        assert "not ready after 0.3 s: web" in answer.err
        assert "fleet services logs web" in answer.err

    def test_an_unknown_service(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}\ndb: {{{SERVE}}}")
        for verb in ("up", "down", "restart"):
            answer = shop.fleet("services", verb, "nope", code=1)
            assert "there is no service nope in the file" in answer.err
            assert "known: db, web" in answer.err

    @pytest.mark.parametrize("words", [("services", "up"), ("services", "down"), ("services", "restart"), ("apply",)])
    def test_without_podman(self, shop: Shop, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
        from reconciler.runtime.podman.discovery import HOW_TO_INSTALL

        def missing(environ: Any) -> Podman:
            raise ToolMissing("Podman is not installed", hint=HOW_TO_INSTALL)

        monkeypatch.setattr(Podman, "connect", missing)
        shop.write(f"web: {{{SERVE}}}")
        answer = shop.fleet(*words, code=1)
        for word in ("Podman is not installed", "macOS", "Debian", "Windows", "fleet doctor"):
            assert word in answer.err


class TestImport:
    def stranger(self, shop: Shop, name: str, **labels: str) -> None:
        spec = ServiceSpec(name="x", image=IMAGE, command=("serve",))
        shop.runtime.start(shop.runtime.create(ContainerOrder(spec, name, IMAGE, labels=labels)))

    def test_suggestions(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}\ndb: {{{SERVE}}}")
        nothing = "No container of nobody's has a name that fits a service without one.\n"
        assert shop.fleet("import").out == nothing
        self.stranger(shop, "shop_web_1")
        self.stranger(shop, "db", **{LABEL_PROJECT: "another"})
        assert shop.fleet("import").out == "fleet import service/web shop_web_1\n"
        assert shop.fleet("import", "web").out == "fleet import service/web shop_web_1\n"
        assert shop.fleet("import", "db").out == nothing

    def test_taking_over(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        self.stranger(shop, "old-web")
        said = shop.fleet("import", "service/web", "old-web").out
        assert said.startswith("container old-web is service/web now; nothing about it was changed\nThe next apply")
        assert "shop-web-1" in said
        shop.fleet("apply")
        assert shop.states() == {"shop-web-1": "running"}

    def test_as_declared(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}, replicas: 2}}")
        self.stranger(shop, "shop-web-1")
        self.stranger(shop, "shop-web-2")
        shop.fleet("import", "service/web", "shop-web-1")
        assert "It is as the file declares it." in shop.fleet("import", "service/web/2", "shop-web-2").out

    def test_addresses_that_are_none(self, shop: Shop) -> None:
        shop.write(f"web: {{{SERVE}}}")
        self.stranger(shop, "x")
        assert "is not service/NAME" in shop.fleet("import", "service/web/zero", "x", code=1).err
        assert "is not service/NAME" in shop.fleet("import", "service/web/0", "x", code=1).err


class TestInterruption:
    def test_once_in_good_order(self) -> None:
        interrupt = threading.Event()
        with interruptible(interrupt, begun=lambda: True):
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupt.is_set()

    def test_before_anything_is_under_way(self) -> None:
        with pytest.raises(KeyboardInterrupt), interruptible(threading.Event(), begun=lambda: False):
            os.kill(os.getpid(), signal.SIGTERM)

    def test_the_handlers_before_come_back(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        with interruptible(threading.Event(), begun=lambda: True):
            assert signal.getsignal(signal.SIGINT) is not before
        assert signal.getsignal(signal.SIGINT) is before

    def test_other_threads_are_not_asked(self) -> None:
        seen: list[Any] = []

        def elsewhere() -> None:
            with interruptible(threading.Event(), begun=lambda: True):
                seen.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [signal.getsignal(signal.SIGINT)]

    def test_twice_leaves_at_once(self) -> None:
        program = """
import os, signal, threading
from reconciler.cli.interruption import interruptible
with interruptible(threading.Event(), begun=lambda: True):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    print("still here")
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 130
        assert done.stdout == ""
        assert "once more to leave at once" in done.stderr


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, environ: dict[str, str]) -> None:
        master, slave = pty.openpty()
        self._master = master
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Only for the terminal that controls a session does Ctrl-C become a signal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""

    def until(self, words: str) -> None:
        """Read until these words have appeared."""
        deadline = time.monotonic() + 60
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if not self._read():
                raise AssertionError(self.text)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait()

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 60)[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError as error:
            # A terminal whose other side is closed reads as an error on Linux.
            if error.errno == errno.EIO:
                return False
            raise
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace"))
        return bool(data)


@pytest.fixture
def screen(yard: Yard) -> Iterator[Callable[..., Screen]]:
    screens: list[Screen] = []

    def opened(*words: str) -> Screen:
        command = [str(Path(sys.executable).with_name("fleet")), *words]
        made = Screen(command, yard.folder, yard.environ)
        screens.append(made)
        return made

    yield opened
    for one in screens:
        if one.process.poll() is None:
            one.process.kill()
            one.end()


SLEEPER = f"image: {BUSYBOX}, command: [sleep, '3600'], stop_signal: SIGKILL"


class TestOnATerminal:
    def test_a_live_table_and_a_question(self, yard: Yard, screen: Callable[..., Screen]) -> None:
        yard.write(f"web: {{{SLEEPER}, healthcheck: {{test: [CMD, 'true'], interval: 200ms, timeout: 5s}}}}")
        first = screen("apply")
        assert first.end() == 0
        for words in (
            "Plan for",
            "RESOURCE",
            "ACTION",
            "STATE",
            "service/web",
            "create",
            "done",
            "until healthy",
            "ready",
        ):
            assert words in first.text
        yard.write("")
        refused = screen("apply")
        refused.until("Go on? [y/N]: ")
        refused.type(b"n\n")
        assert refused.end() == 7
        assert "the plan was not confirmed, and nothing was done" in refused.text
        assert yard.states() == {"web-1": "running"}
        agreed = screen("apply")
        agreed.until("This removes or replaces 1 container")
        agreed.type(b"y\n")
        assert agreed.end() == 0
        assert yard.states() == {}
        assert [event.data["how"] for event in yard.events() if event.event_type == "plan_confirmed"] == ["prompt"]

    def test_ctrl_c_at_the_question(self, yard: Yard, screen: Callable[..., Screen]) -> None:
        yard.write(f"web: {{{SLEEPER}}}")
        yard.must_apply()
        yard.write("")
        asked = screen("apply")
        asked.until("Go on? [y/N]: ")
        # A key that is typed in the instant before the line is read is passed over, as in every program with a prompt.
        while asked.process.poll() is None:
            asked.type(b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                asked.process.wait(2)
        assert asked.end() == 130
        assert yard.states() == {"web-1": "running"}

    def test_ctrl_c_while_a_service_is_waited_for(self, yard: Yard, screen: Callable[..., Screen]) -> None:
        yard.write(
            f"web: {{{SLEEPER}, healthcheck: {{test: [CMD, 'false'], interval: 60s, timeout: 5s, retries: 100}}}}"
        )
        waiting = screen("apply")
        waiting.until("until healthy")
        waiting.type(b"\x03")
        assert waiting.end() == 130
        assert "Interrupted in" in waiting.text
        assert yard.events()[-2].data["status"] == "interrupted"


class TestProgress:
    def test_which_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plan: Any = type("Plan", (), {"actions": ()})()
        assert isinstance(progress_for(plan, as_json=True, colour=True), JsonProgress)
        assert isinstance(progress_for(plan, as_json=False, colour=False), PlainProgress)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert isinstance(progress_for(plan, as_json=False, colour=True), LiveProgress)

    def test_a_table_of_everything(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        from reconciler.plan.model import Basis, CreateContainer, DefineService, Plan, Reason

        why = Reason("declared", "new")
        spec = ServiceSpec(name="web")
        create = CreateContainer(
            id="create service/web/1",
            resource="service/web",
            reason=why,
            service="web",
            replica=1,
            name="n",
            digest="d",
        )
        define = DefineService(id="define service/web", resource="service/web", reason=why, definition=spec, digest="d")
        plan = Plan(fleet="shop", project="p", actions=(define, create), basis=Basis("", "", 0))
        with LiveProgress(plan) as live:
            live.on_problems(["a problem"])
            live.on_action(define, "done")
            live.on_action(create, "running")
            live.on_gate("web", "healthy", "wait", "starting")
            live.on_gate("web", "healthy", "open", "healthy", 1.5)
            live.on_action(create, "done", "", 2.0)
            live.on_action(define, "failed", "it did not work", 0.1)
        shown = capsys.readouterr().out
        for words in ("a problem", "until healthy", "ready", "1.5 s", "2.0 s", "it did not work"):
            assert words in shown
        assert json.dumps(shown).count("RESOURCE") >= 1
