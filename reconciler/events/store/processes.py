"""Telling whether the process that holds the lease still lives.

A process id alone says little: it is used again, and it means something only on its host and within its namespace. So a
holder is remembered as host, boot, namespace, id and start time, and is only ever declared dead from the same host, boot and
namespace. Where the system does not tell these, nobody is declared dead, and the lease frees itself when it runs out.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """This process, as `is_dead` reads it."""
    return "\n".join((_place(), str(os.getpid()), _started(os.getpid())))


def is_dead(process: str) -> bool:
    """Whether a process certainly no longer runs; False whenever it cannot be known."""
    place, _, rest = process.rpartition("\n")[0].rpartition("\n")
    started = process.rpartition("\n")[2]
    if not place or place != _place() or not started:
        return False
    return _started(int(rest)) != started


def _place() -> str:
    """Host, boot and namespace that process ids are numbered in; empty where they cannot be known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{os.uname().nodename} {boot} {os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return ""


def _started(process_id: int) -> str:
    """When a process started, in ticks since boot; empty when there is no such process, or only its remains."""
    try:
        status = (_PROC / str(process_id) / "stat").read_text()
    except OSError:
        return ""
    # The name, in parentheses, may hold anything.
    fields = status.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]
