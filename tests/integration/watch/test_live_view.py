"""The view on a terminal: a real pseudo-terminal, and a person's keys."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import PATIENCE, QUICK, STAYS, kill_inside, until

IMAGE = "localhost/fleet-busybox:1"
BODY = f"  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n"))
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """A person in front of `fleet watch`."""

    def __init__(self, yard: Yard) -> None:
        self._primary, secondary = pty.openpty()
        environ = {**yard.environ, "TERM": "xterm-256color", "LINES": "50", "COLUMNS": "120"}
        command = [str(Path(sys.executable).with_name("fleet")), "watch"]
        self.process = subprocess.Popen(
            command, cwd=yard.folder, env=environ, stdin=secondary, stdout=secondary, stderr=secondary, close_fds=True
        )
        os.close(secondary)
        self._text = ""

    def shows(self, text: str) -> None:
        """Wait until something new on the screen holds this."""
        end = time.monotonic() + PATIENCE
        while text not in _CONTROL.sub("", self._text):
            assert time.monotonic() < end, f"never showed {text!r}:\n{_CONTROL.sub('', self._text)[-4000:]}"
            self._read(0.2)
        self._text = ""

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._primary, key.encode())

    def close(self) -> int:
        """Wait for the end; the exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.1)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        if self._primary >= 0:
            os.close(self._primary)
            self._primary = -1
        return code

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._primary], [], [], seconds)
        if ready:
            try:
                self._text += os.read(self._primary, 65536).decode(errors="replace")
            except OSError:
                # The other end has closed: the process has gone.
                time.sleep(seconds)


@pytest.fixture
def screen(yard: Yard) -> Iterator[Screen]:
    yard.write(f"web:\n{BODY}", more=QUICK)
    opened = Screen(yard)
    yield opened
    if opened.process.poll() is None:
        opened.process.terminate()
    opened.close()


def test_it_shows_the_plan_the_services_and_what_happened_and_obeys_keys(yard: Yard, screen: Screen) -> None:
    screen.shows("create service/web/1")
    screen.shows("apply succeeded")
    screen.shows("as declared")
    yard.write(f"web:\n{BODY}  environment: {{COLOUR: red}}\n", more=QUICK)
    screen.shows("IN THE FILE")
    screen.shows("COLOUR")
    screen.shows("LAST EVENTS")
    until(lambda: yard.plan() == [], "the edit was never carried out")
    screen.press("p")
    screen.shows("paused")
    head = yard.types().count("container_started")
    kill_inside(yard, "web-1")
    screen.shows("exited")
    assert yard.types().count("container_started") == head
    screen.press("l")
    screen.shows("LOGS")
    screen.press("p")
    until(lambda: yard.types().count("container_started") == head + 1, "it never went on")
    screen.press("q")
    assert screen.close() == 0


def test_a_key_gives_the_yes_that_is_waited_for(yard: Yard, screen: Screen) -> None:
    settings = "reconcile: {interval: 1s, debounce: 100ms, max_destroy: 0}"
    until(lambda: yard.database.exists() and yard.states() == {"web-1": "running"}, "it never came up")
    yard.write(f"other:\n{BODY}", more=settings)
    screen.shows("waits for a yes")
    assert "web-1" in yard.states()
    screen.press("a")
    until(lambda: yard.states() == {"other-1": "running"}, "it was never carried out")
    screen.press("q")
    assert screen.close() == 0
