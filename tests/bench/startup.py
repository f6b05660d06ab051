"""How long the command takes before it says anything, beside Python itself; and what loading 1,000 services costs.

Prints ratios within one run. Run it with `python tests/bench/startup.py`, or with the others: `make bench`.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 15
SERVICES = 1_000
FLEET = Path(sys.executable).parent / "fleet"


def seconds(command: Sequence[str | Path], *, rounds: int = ROUNDS, cwd: Path | None = None) -> float:
    """The median time of whole processes."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, check=False)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def peak_megabytes(command: Sequence[str | Path], cwd: Path) -> float:
    """The most memory that this one process had."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    scale = 1 if sys.platform == "darwin" else 1024
    return used.ru_maxrss * scale / 1024 / 1024


def large_fleet(folder: Path, count: int) -> None:
    """A file of `count` services, each with the usual fields."""
    lines = ["version: 1", "name: large", "services:"]
    for number in range(count):
        lines += [
            f"  service-{number:04d}:",
            "    image: localhost/fleet-busybox:1",
            '    command: [sleep, "3600"]',
            f'    environment: {{NUMBER: "{number}", MODE: production}}',
            "    resources: {memory: 64m}",
            "    healthcheck: {test: [CMD, 'true'], interval: 10s}",
        ]
        if number:
            lines.append(f"    depends_on: {{service-{number - 1:04d}: started}}")
    (folder / "fleet.yaml").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FLEET_DATA_DIR"] = str(folder / "data")
        small, large = folder / "small", folder / "large"
        for place, count in ((small, 2), (large, SERVICES)):
            place.mkdir()
            large_fleet(place, count)
        python = seconds([sys.executable, "-c", "pass"])
        print(f"python -c pass                    {python * 1000:7.1f} ms")
        for words, place, rounds in (
            (["--help"], small, ROUNDS),
            (["status"], small, ROUNDS),
            (["events"], small, ROUNDS),
            (["validate"], small, ROUNDS),
            (["validate"], large, 5),
        ):
            taken = seconds([FLEET, *words], cwd=place, rounds=rounds)
            what = f"fleet {' '.join(words)}" + (f" of {SERVICES} services" if place == large else "")
            memory = peak_megabytes([FLEET, *words], place)
            print(f"{what:33s} {taken * 1000:7.1f} ms  {taken / python:6.1f} times python  {memory:5.0f} MB")
        print(f"this script                       {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:5.0f} MB")


if __name__ == "__main__":
    main()
