"""The way back: the log's messages, cursors and locks as a squawk.json, what came after an import included."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import Conflict, FleetError
from reconciler.legacy.old_form import OldView
from reconciler.projections.store import Store


@dataclass(frozen=True, slots=True)
class Returned:
    """What was written.

    Attributes:
        without_form: events of the log that have no old form, by type.
    """

    file: str
    counts: dict[str, int]
    without_form: dict[str, int]


def roll_back(store: Store, out: Path, *, force: bool = False) -> Returned:
    """Write the old store that the log stands for. The log stays as it is.

    Raises:
        Conflict: the file is there already.
        FleetError: it cannot be written.
    """
    if out.exists() and not force:
        raise Conflict(f"{out} is there already", hint="--out FILE writes another one, --force overwrites it")
    view = OldView().add(store.events())
    old = view.store()
    try:
        _write(out, json.dumps(old.document(), indent=2) + "\n")
    except OSError as error:
        raise FleetError(f"{out} cannot be written: {error.strerror}") from None
    return Returned(str(out), old.counts(), dict(sorted(view.without_form.items())))


def _write(out: Path, text: str) -> None:
    """All of it or nothing, for nobody else's eyes."""
    out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = out.with_name(f".{out.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, out)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
