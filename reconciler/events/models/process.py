"""Events of declared specialists: what is wanted of a pool, and what becomes of the processes that are its replicas.

A pool is one block under `specialists:` and has a stream of its own, named like the block. What Fleet does itself names
its intent; `specialist_process_exited`, `specialist_process_paused` and what is `external` Fleet saw but did not do.
"""

from __future__ import annotations

from reconciler.events.models.base import Count, Document, DurationMs, EventModel, Replica, Text, UnixMs


class SpecialistDefined(EventModel):
    """A pool is new in the file or its block changed; `digest` stands for what makes its processes."""

    pool: Text
    digest: Text
    definition: Document
    revision: Count | None = None


class SpecialistRemoved(EventModel):
    """The pool's block has left the file and its processes have ended."""

    pool: Text


class _Request(EventModel):
    """A whole pool, or one replica of it."""

    pool: Text
    replica: Replica | None = None


class SpecialistStopRequested(_Request):
    """Somebody wants it down until further notice; with `drain`, not before it has finished what it works on."""

    drain: bool = False


class SpecialistStartRequested(_Request):
    """Somebody wants it up again, or tried again after it was given up."""


class _Process(EventModel):
    """The three fields that name a process; `process_id` is the id of the intent that asked for it."""

    pool: Text
    replica: Replica
    process_id: Text


class SpecialistProcessStarted(_Process):
    """Fleet started a process for a replica; `log` is the file that takes what it prints."""

    pid: Count
    digest: Text
    log: str = ""
    intent_id: Text | None = None


class SpecialistProcessFound(_Process):
    """A process carries this fleet's marks and the log did not know it: a crash came between act and outcome."""

    pid: Count
    digest: str
    intent_id: Text | None = None


class SpecialistProcessStopped(_Process):
    """Fleet ended a process; the exit code is known to who started it only."""

    exit_code: int | None = None
    intent_id: Text | None = None


class SpecialistProcessExited(_Process):
    """A process ended by itself or by somebody's hand; the exit code is known to who started it only."""

    exit_code: int | None = None


class SpecialistProcessDrained(_Process):
    """Fleet gives a replica that has to go nothing more; what it has not finished by `until` it hands back."""

    until: UnixMs
    intent_id: Text | None = None


class SpecialistProcessPaused(_Process):
    """A process was stopped by a signal and does nothing; Fleet never pauses any itself."""


class SpecialistProcessResumed(_Process):
    """A paused process goes on; `external` says that somebody other than Fleet let it."""

    external: bool = False
    intent_id: Text | None = None


class SpecialistBackoffStarted(EventModel):
    """A replica's process keeps ending; it is left alone until `until`."""

    pool: Text
    replica: Replica
    failures: Count
    delay_ms: DurationMs
    until: UnixMs


class SpecialistBackoffReset(EventModel):
    """A replica's process has run long enough for its failures to be forgotten."""

    pool: Text
    replica: Replica


class SpecialistRestartAbandoned(EventModel):
    """Fleet gave up starting a replica's process again."""

    pool: Text
    replica: Replica
    failures: Count
    why: str
