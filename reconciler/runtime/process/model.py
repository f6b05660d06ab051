"""What can be seen of processes and what can be asked of them.

A process carries the marks of ownership in its environment, where a container carries labels. What it starts inherits
them, so one more mark holds the process's own id: only where that is true of a process is it the one that was started.
The intent that asked for it is its identity: a process id is used again by the system, an intent never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from reconciler.runtime.model import (
    LABEL_DIGEST,
    LABEL_FLEET,
    LABEL_INTENT,
    LABEL_PROJECT,
    LABEL_PROTECT,
    LABEL_REPLICA,
    LABEL_RESOURCE,
)

ProcessState = Literal["running", "paused"]

VARIABLES: Mapping[str, str] = {
    LABEL_PROJECT: "FLEET_PROJECT",
    LABEL_FLEET: "FLEET_FLEET",
    LABEL_RESOURCE: "FLEET_RESOURCE",
    LABEL_REPLICA: "FLEET_REPLICA",
    LABEL_DIGEST: "FLEET_DIGEST",
    LABEL_INTENT: "FLEET_INTENT",
    LABEL_PROTECT: "FLEET_PROTECT",
}
"""The environment variable that stands for each label."""

OWN_ID = "FLEET_PROCESS"
"""The mark that holds the id of the process which was started, so that its children are not taken for it."""


@dataclass(frozen=True, slots=True)
class ObservedProcess:
    """One process that carries this project's marks.

    Attributes:
        process_id: the id of the intent that asked for it, `evt_…`.
        labels: its marks, under the names that labels have.
        started_ms: Unix ms.
    """

    process_id: str
    pid: int
    labels: Mapping[str, str]
    state: ProcessState = "running"
    started_ms: int = 0


@dataclass(frozen=True, slots=True)
class ObservedProcesses:
    """What one look showed.

    Attributes:
        processes: this project's.
        unknown: process ids of which nothing could be learned; what is known by one of them may run or not.
        exit_codes: by process, of those that ended and that we started ourselves.
    """

    processes: tuple[ObservedProcess, ...] = ()
    unknown: frozenset[int] = frozenset()
    exit_codes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessOrder:
    """Everything needed to start a process.

    Attributes:
        command: program and arguments; nothing secret is among them.
        environment: the whole environment, values of secrets included; the marks are added.
        working_dir: where it starts.
        labels: the marks of ownership, the intent among them.
        log: the file that takes what it prints, on both streams.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: Path
    labels: Mapping[str, str]
    log: Path


class ProcessRuntime(Protocol):
    """The verbs of a runtime of processes. Safe from any thread; none of them decides anything.

    All raise `RuntimeUnreachable` when the system's processes cannot be read.
    """

    def observe(self, project: str) -> ObservedProcesses:
        """Every process that carries this project's mark and that was started for it, not by another process."""

    def runs(self, pid: int, process_id: str) -> bool:
        """Whether one runs; True as well where that cannot be known."""

    def start(self, order: ProcessOrder) -> ObservedProcess:
        """Start it in a session of its own, so that it outlives whoever asked.

        Raises:
            ActionFailed: it cannot be started.
        """

    def resume(self, process: ObservedProcess) -> None:
        """Let a paused one go on; one that is gone is no error."""

    def stop(self, pid: int, process_id: str, grace_ms: int) -> int | None:
        """Ask it to end, and end it with everything in its session after the grace period; one that is gone is no error.

        Returns:
            Its exit code, where that can be known.
        """


def environment_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The marks as environment variables."""
    return {VARIABLES[label]: value for label, value in labels.items() if label in VARIABLES}


def labels_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The marks that an environment holds, as labels."""
    return {label: environment[name] for label, name in VARIABLES.items() if name in environment}
