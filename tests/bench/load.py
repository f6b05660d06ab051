"""How fast a fleet's file is loaded, beside what YAML alone costs, measured in one run.

    python tests/bench/load.py [--services 1000]

Loading means everything: text to positioned tree to checked and typed values. The check that nothing has changed is what
a loop does instead. CPU seconds, best of five.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from reconciler.spec.inputs import LoadOptions, unchanged
from reconciler.spec.load import load

SERVICE = """\
  web{0}:
    image: localhost/shop-web:1
    command: [httpd, -f, -p, "80"]
    environment: {{A: one, B: two, C: "3"}}
    ports: ["{1}:80"]
    depends_on: {2}
    healthcheck: {{test: [CMD, wget, -qO-, "http://localhost/"], interval: 5s, timeout: 2s, retries: 5}}
    restart: {{policy: always, backoff: {{initial: 10s, max: 5m}}}}
    labels: {{team: shop, tier: "2"}}
    resources: {{cpus: 0.5, memory: 256m}}
"""


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """CPU seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def command(arguments: list[str], folder: Path) -> float:
    """CPU seconds of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1_000)
    count = parser.parse_args().services
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        file = folder / "fleet.yaml"
        blocks = [SERVICE.format(i, 10_000 + i, f"{{web{i - 1}: started}}" if i else "{}") for i in range(count)]
        text = "name: big\nservices:\n" + "".join(blocks)
        file.write_text(text)
        options = LoadOptions(environ={})
        found = load(file, project=folder, options=options)
        bare = best(lambda: yaml.load(text, Loader=yaml.CSafeLoader))
        full = best(lambda: load(file, project=folder, options=options))
        same = best(lambda: unchanged(found.inputs, file=file, project=folder, options=options))
        python = min(command([sys.executable, "-c", "pass"], folder) for _ in range(5))
        whole = min(command([str(Path(sys.executable).parent / "fleet"), "validate"], folder) for _ in range(3))
    print(f"{count} services, {len(text) / 1024:.0f} KiB")
    print(f"yaml.load with the C loader   {bare:8.4f} s")
    print(f"load                          {full:8.4f} s   {full / bare:.2f} of it")
    print(f"unchanged                     {same:8.4f} s   {same / full:.4f} of a load")
    print(f"fleet validate, whole process {whole:8.4f} s   {whole / python:.1f} times python -c pass")


if __name__ == "__main__":
    main()
