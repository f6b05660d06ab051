"""A revision that was accepted, without an apply."""

from __future__ import annotations

from pathlib import Path

from reconciler.events.envelope import Cause, NewEvent
from reconciler.spec.desired import to_document
from reconciler.spec.inputs import LoadOptions
from reconciler.spec.load import load
from reconciler.spec.roles import digest_of
from tests.integration.worker.conftest import Fleet


def accept(fleet: Fleet, file: Path) -> None:
    """Record what a file says as the revision that holds."""
    loaded = load(file, project=file.parent, options=LoadOptions())
    document = to_document(loaded.desired)
    data = {
        "revision": 1,
        "digest": digest_of(document),
        "document": document,
        "inputs": loaded.inputs,
        "files": [],
    }
    event = NewEvent("revision_accepted", "fleet", loaded.desired.name, data)
    fleet.store.append([event], Cause("tester", "cli"))
