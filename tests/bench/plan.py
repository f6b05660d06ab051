"""What a plan costs, in CPU time of this process, beside encoding the same fleet as JSON.

Nothing is read or written: files, log and world are values by now. Run it with `python tests/bench/plan.py`, or with the
others: `make bench`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.plan.diff import diff
from reconciler.plan.model import PlanOptions
from reconciler.plan.render import document, text
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired, ServiceSpec
from tests.support.carried_out import Log, images_of
from tests.support.fleets import Document, fleet

LARGE = 1_000
SMALL = 100


def service(number: int) -> Document:
    """A service with the usual fields; nine of ten depend on the one before."""
    depends_on = {f"s{number - 1:04d}": "healthy"} if number % 10 else {}
    return {
        "command": ["sleep", "3600"],
        "environment": {"LEVEL": "info", "MODE": "production", "NUMBER": str(number)},
        "ports": [{"container_port": 80, "host_port": 10_000 + number}],
        "mounts": [{"kind": "volume", "target": "/data", "source": f"data-{number:04d}"}],
        "networks": [{"network": "default"}],
        "healthcheck": {"test": ["CMD", "true"], "interval_ms": 5_000},
        "resources": {"memory": 64 << 20},
        "depends_on": depends_on,
    }


def declared(count: int) -> Desired:
    """A fleet of so many services."""
    return fleet({"services": {f"s{number:04d}": service(number) for number in range(count)}})


def edited(desired: Desired, **fields: object) -> Desired:
    """The fleet with the same edit in every service."""
    services: Mapping[str, ServiceSpec] = {name: replace(one, **fields) for name, one in desired.services.items()}
    return replace(desired, services=services)


def applied(desired: Desired) -> Projected:
    """What the log says once the fleet was applied."""
    log = Log()
    log.carry_out(diff(desired, log.projected(), PlanOptions(images=images_of([desired]))), desired)
    return log.projected()


def stopped(projected: Projected) -> Projected:
    """As if somebody had stopped every container."""
    containers = {
        name: tuple(replace(one, state="exited", exit_code=137, external=True) for one in found)
        for name, found in projected.containers.items()
    }
    return replace(projected, containers=containers)


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """The median CPU time of one call in milliseconds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times) * 1_000


def main() -> None:
    """Measure and print."""
    for count, rounds in ((SMALL, 31), (LARGE, 7)):
        desired = declared(count)
        known, images = applied(desired), images_of([desired])
        unit = cpu_ms(partial(msgspec.json.encode, desired, order="sorted"), rounds)
        print(f"{count} services; encoding them as JSON takes {unit:.2f} ms of CPU")
        other = edited(desired, image="localhost/web:2")
        cases: tuple[tuple[str, Desired, Projected], ...] = (
            ("nothing to do", desired, known),
            ("all new", desired, Projected()),
            ("all edited", other, known),
            ("all stopped by hand", desired, stopped(known)),
            ("all removed", replace(desired, services={}), known),
        )
        for name, wanted, log in cases:
            spent = cpu_ms(partial(diff, wanted, log, PlanOptions(images=images, now_ms=1)), rounds)
            print(f"  {name:<20} {spent:8.2f} ms  {spent / unit:6.1f} x")
        plan = diff(other, known, PlanOptions(images=images, now_ms=1))
        for name, render in (("edited, as text", text), ("edited, as JSON", document)):
            print(f"  {name:<20} {cpu_ms(partial(render, plan), rounds):8.2f} ms")


if __name__ == "__main__":
    main()
