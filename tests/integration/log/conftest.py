from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.projections.store import Store, open_store
from tests.support.events import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test is; nothing is there yet."""
    return tmp_path / "project" / "squawk.db"


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[Store]:
    """A new log, open for writing."""
    with open_store(path, clock=clock) as opened:
        yield opened
