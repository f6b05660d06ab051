"""The whole examination: every check in reading order, and none that can stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from reconciler.errors import FleetError
from reconciler.ops.doctor import engine, machine, project
from reconciler.ops.doctor.finding import Finding, Surroundings
from reconciler.runtime.podman import Podman

Checks = Callable[[], Iterable[Finding]]


def examine(around: Surroundings, *, file: Path, database: Callable[[], Path]) -> list[Finding]:
    """Every finding, good ones included.

    Args:
        around: the machine.
        file: the project's fleet file, which need not be there.
        database: finds the event log's file, which need not be there either.
    """
    findings = list(_each(lambda: engine.program(around)))
    runtime, reached = engine.reached(around)
    findings += reached
    if runtime is not None:
        with runtime:
            findings += _of_engine(around, runtime)
    findings += _each(lambda: machine.rootless(around), lambda: machine.session(around))
    findings += _each(lambda: project.fleet_file(file), lambda: project.log(database(), around))
    findings += _each(lambda: project.room(database().parent, "the event log"))
    return findings


def _of_engine(around: Surroundings, runtime: Podman) -> Iterator[Finding]:
    try:
        told = runtime.told()
    except FleetError as problem:
        yield Finding("engine", "broken", str(problem), problem.hint)
        return
    yield from _each(
        lambda: engine.version(told),
        lambda: engine.cgroups(told, around),
        lambda: engine.network(told, around),
        lambda: engine.storage(told),
        lambda: engine.registries(told),
        lambda: engine.health_checks(around),
        lambda: project.room(Path(told.store.graph_root), "images and containers"),
    )


def _each(*checks: Checks) -> Iterator[Finding]:
    for check in checks:
        try:
            yield from check()
        except FleetError as problem:
            yield Finding("doctor", "broken", str(problem), problem.hint)
        except OSError as problem:
            yield Finding("doctor", "warning", f"a check could not look: {problem}")
