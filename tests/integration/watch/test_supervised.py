"""The watcher under a supervisor that speaks systemd's protocol."""

from __future__ import annotations

import socket

from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, STAYS, Watching

IMAGE = "localhost/fleet-busybox:1"


def test_ready_after_the_first_turn_then_alive_then_stopping(yard: Yard) -> None:
    yard.write(f"web:\n  image: {IMAGE}\n" + "".join(f"  {line}\n" for line in STAYS.split("\n")), more=QUICK)
    address = str(yard.data.parent / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(60)
        with Watching(yard, environ={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "500000"}) as watching:
            heard = server.recv(200)
            while heard == b"WATCHDOG=1":
                heard = server.recv(200)
            assert heard == f"READY=1\nSTATUS=watching {yard.project.file}".encode()
            assert yard.states() == {"web-1": "running"}
            assert server.recv(200) == b"WATCHDOG=1"
            assert watching.end() == 0
            while heard != b"STOPPING=1":
                heard = server.recv(200)
