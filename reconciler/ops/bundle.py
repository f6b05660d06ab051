"""A bundle: one archive for a bug report, with nothing in it that must not leave the machine.

What the doctor found, counts, the last events, the state of the schema, the plan: all redacted, each in a file of its own, so
that whoever sends it can read it first.
"""

from __future__ import annotations

import io
import os
import platform
import sqlite3
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec

from reconciler import __version__
from reconciler.errors import FleetError
from reconciler.events.store.query import EventQuery
from reconciler.events.store.schema import REVISION
from reconciler.ops.disk import on_disk
from reconciler.ops.redact import Redactor
from reconciler.ops.statistics import statistics
from reconciler.ops.verify import verify
from reconciler.plan.model import Plan
from reconciler.projections.fold import FOLD_VERSION
from reconciler.projections.store import Store, open_store

_READ_ME = """This is what `fleet bundle` collected for a bug report. It holds no secrets and no values of variables: of
what an event says, only what is known to be harmless was kept. Have a look before you send it.

machine.json      versions of Fleet, Python, SQLite and the system
doctor.json       what `fleet doctor` found
log.json          what `fleet verify` found, and the state of the schema
statistics.json   events by type, stream and source; sizes
events.jsonl      the newest events
plan.json         what `fleet plan` would do now
problems.txt      what could not be collected, and why
"""


class FoundByDoctor(Protocol):
    """The part of a doctor's finding that is told."""

    @property
    def check(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def what(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is collected elsewhere and only put in here.

    Attributes:
        findings: of the doctor.
        plan: as it would be now; None where it could not be made.
        secrets: values that must not be found anywhere.
        problems: why something is missing.
    """

    findings: Sequence[FoundByDoctor] = ()
    plan: Plan | None = None
    secrets: Iterable[bytes | str] = ()
    problems: Sequence[str] = ()


def bundle(database: Path, out: Path, around: Surroundings, *, now_ms: int, events: int = 500) -> tuple[str, ...]:
    """Write a bundle; the names of the files in it. Read-only but for the bundle itself.

    Args:
        out: the archive to write, `….tar.gz`; for its owner only.
        events: how many of the newest events go in.

    Raises:
        LogUnusable: the bundle cannot be written.
    """
    collected = _Collection(around)
    collected.add("machine.json", _machine())
    collected.add("doctor.json", [_finding(one) for one in around.findings])
    if database.exists():
        collected.attempt("log.json", lambda: _verified(database))
        collected.attempt("events.jsonl", lambda: _from_log(database, collected, now_ms, events))
    else:
        collected.problems.append("there is no log yet")
    if around.plan is not None:
        collected.add("plan.json", collected.redactor.plan(around.plan))
    return collected.write(out, now_ms)


class _Collection:
    """Files of a bundle; one that cannot be made is a line among the problems."""

    def __init__(self, around: Surroundings) -> None:
        self.redactor = Redactor(around.secrets)
        self.problems = list(around.problems)
        self._files: dict[str, str] = {"README.txt": _READ_ME}

    def add(self, name: str, document: Any) -> None:
        """A JSON document, or one a line where it is a list for a `.jsonl`."""
        if name.endswith(".jsonl"):
            self._files[name] = "".join(f"{msgspec.json.encode(one).decode()}\n" for one in document)
        else:
            self._files[name] = msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"

    def attempt(self, name: str, make: Any) -> None:
        """A document that may fail to be made."""
        try:
            self.add(name, make())
        except (FleetError, sqlite3.Error, OSError) as error:
            self.problems.append(f"{name}: {error}")

    def write(self, out: Path, now_ms: int) -> tuple[str, ...]:
        """Everything into one archive. Whatever was collected passes the redactor once more as a text."""
        self._files["problems.txt"] = "".join(f"{one}\n" for one in self.problems) or "none\n"
        with on_disk("no bundle was written", out):
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    self._pack(file, out.name.removesuffix(".tar.gz"), now_ms)
            except BaseException:
                out.unlink()
                raise
        return tuple(sorted(self._files))

    def _pack(self, file: BinaryIO, folder: str, now_ms: int) -> None:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in sorted(self._files.items()):
                data = (text if name == "README.txt" else self.redactor.hide(text)).encode()
                about = tarfile.TarInfo(f"{folder}/{name}")
                about.size, about.mtime, about.mode = len(data), now_ms // 1000, 0o600
                archive.addfile(about, io.BytesIO(data))


def default_name(now_ms: int) -> str:
    """A name for a bundle that says when it was made."""
    return f"fleet-bundle-{datetime.fromtimestamp(now_ms / 1000, UTC).strftime('%Y%m%dT%H%M%SZ')}.tar.gz"


def _machine() -> dict[str, Any]:
    return {
        "fleet": __version__,
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "schema_revision": REVISION,
        "fold_version": FOLD_VERSION,
    }


def _finding(one: FoundByDoctor) -> dict[str, str]:
    return {"check": one.check, "level": one.level, "what": one.what}


def _verified(database: Path) -> dict[str, Any]:
    report = verify(database)
    return {
        "sound": report.sound,
        "head": report.head,
        "archived": report.archived,
        "segments": report.segments,
        "first_bad": report.first_bad,
        "faults": [{"check": one.check, "sequence_number": one.sequence, "what": one.what} for one in report.faults],
        "notes": list(report.notes),
    }


def _from_log(database: Path, collected: _Collection, now_ms: int, count: int) -> list[dict[str, Any]]:
    """The newest events; what they may quote is learnt from the whole log first."""
    with open_store(database, mode="read") as store:
        _learn(store, collected.redactor)
        collected.attempt("statistics.json", lambda: _counts(store, now_ms))
        newest = list(store.events(EventQuery(newest_first=True, limit=count)))
    return [collected.redactor.event(event) for event in reversed(newest)]


def _learn(store: Store, redactor: Redactor) -> None:
    for table in ("services", "networks", "volumes", "images", "containers"):
        for key, row in store.rows().scan(table):
            redactor.keep(
                str(name) for name in (key, row.get("name"), row.get("engine_name"), row.get("image")) if name
            )
    for event in store.events(EventQuery(types=("revision_accepted", "service_defined"))):
        redactor.learn(event.data)
    for _, row in store.rows().scan("definitions"):
        redactor.learn(row)


def _counts(store: Store, now_ms: int) -> Mapping[str, Any]:
    """Names of people and mailboxes are nobody's business."""
    found = asdict(statistics(store, now_ms=now_ms))
    found["actors"] = len(found["actors"])
    del found["largest"]
    return found
