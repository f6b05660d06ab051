"""The minder: a small process that ends what a worker started when the worker can no longer do so itself.

It reads lines from its standard input: `+GROUP SECONDS` lets a process group live for so long, said again it prolongs
that, and `-GROUP` says that the group has ended. When the time of a group is over, or the input ends because the worker
is gone, the group is killed. So a sortie whose lease has run out is not worked on any more, even if its worker was killed
or stands still. It runs as a script and imports nothing of Fleet, so that it starts in a moment.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time


def mind(source: int) -> None:
    """Mind groups until the input ends."""
    groups: dict[int, float] = {}
    rest = b""
    while True:
        now = time.monotonic()
        for group in [one for one, deadline in groups.items() if deadline <= now]:
            kill(group)
            del groups[group]
        wait = min(groups.values(), default=now + 3600) - now
        if not select.select([source], [], [], max(wait, 0))[0]:
            continue
        data = os.read(source, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            read(line, groups)
    for group in groups:
        kill(group)


def read(line: bytes, groups: dict[int, float]) -> None:
    """Take one line to heart."""
    word, _, seconds = line[1:].partition(b" ")
    if line[:1] == b"+":
        groups[int(word)] = time.monotonic() + float(seconds)
    else:
        groups.pop(int(word), None)


def kill(group: int) -> None:
    """End a process group at once; one that is gone is no error."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":  # pragma: no cover - runs as a process of its own
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mind(0)
