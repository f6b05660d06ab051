"""Telling systemd how it goes: ready, still alive, stopping. Without a supervisor that listens, nothing is sent.

The protocol is a datagram to the socket that `NOTIFY_SOCKET` names; an `@` in front is one in the abstract namespace.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping


class Supervisor:
    """Whoever started this process and wants to know. Safe from any thread.

    Args:
        environ: where `NOTIFY_SOCKET` and `WATCHDOG_USEC` are looked up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        self._period = int(usec) / 1_000_000 / 2 if usec.isascii() and usec.isdigit() else 0.0
        self._stopped = threading.Event()

    def tell(self, *lines: str) -> bool:
        """Send these; whether anybody listens. A supervisor that has gone is no error."""
        if not self._address:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
        return True

    def ready(self, status: str) -> None:
        """It works now."""
        self.tell("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """It is about to end, on purpose."""
        self._stopped.set()
        self.tell("STOPPING=1")

    def watch_over(self, alive: Callable[[], bool]) -> None:
        """Say that it is alive, twice in each period that the watchdog allows, for as long as it is."""
        if self._address and self._period:
            threading.Thread(target=self._pat, args=(alive,), name="fleet-watchdog", daemon=True).start()

    def _pat(self, alive: Callable[[], bool]) -> None:
        while not self._stopped.wait(self._period):
            if alive():
                self.tell("WATCHDOG=1")
