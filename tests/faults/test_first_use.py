"""Several threads that are the first to read an answer of one kind at the same moment do not end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.conftest import FULL

ROOT = Path(__file__).parents[2]
PROCESSES = 40 if FULL else 8
FIRST = """
import sys, threading
sys.setswitchinterval(1e-6)
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.client import Client

told = b'{"Id": "a", "Name": "n", "State": {"Status": "running", "Health": {"Status": "x"}}, "Image": "i",'
told += b' "Config": {"Healthcheck": {"Test": ["a"]}}, "NetworkSettings": {"Networks": {"x": {"IPAddress": "a"}}}}'
client, together = Client("none"), threading.Barrier(6)

def read():
    together.wait()
    client._decoded(told, wire.Inspected, "inspect")

threads = [threading.Thread(target=read) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_answers_may_be_read_side_by_side() -> None:
    for _ in range(PROCESSES):
        ended = subprocess.run([sys.executable, "-c", FIRST], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
