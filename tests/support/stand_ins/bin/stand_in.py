"""What the three stand-ins have in common."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any

FAULT = os.environ.get("STAND_IN_FAULT", "")


def called() -> str:
    """Remember the call; what came on standard input."""
    prompt = sys.stdin.read()
    calls = os.environ.get("STAND_IN_CALLS")
    if calls:
        chosen = {name: value for name, value in os.environ.items() if name.startswith(("FLEET_", "OPENCODE_"))}
        with open(calls, "a", encoding="utf-8") as file:
            file.write(json.dumps({"argv": sys.argv[1:], "stdin": prompt, "environment": chosen}) + "\n")
    return prompt


def say(document: dict[str, Any]) -> None:
    """One object of the stream."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def play(stream: Iterable[dict[str, Any]]) -> None:
    """The stream, or what a fault makes of it."""
    for number, document in enumerate(stream):
        if number == 2:
            misbehave()
        say(document)


def misbehave() -> None:
    """Faults that any program may have."""
    if FAULT == "cut":
        sys.stdout.write('{"type": "assist')
        sys.stdout.flush()
        sys.exit(0)
    if FAULT == "huge":
        for _ in range(10):
            sys.stdout.write("\x1b[31mnoise\x07 " * 100_000 + "\n")
    if FAULT == "hang":
        time.sleep(600)
    if FAULT == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


def reviewing(prompt: str) -> bool:
    """Whether the task is a review."""
    return prompt.startswith("Review ")
