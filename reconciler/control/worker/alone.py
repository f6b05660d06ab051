"""One worker a specialist: a lock on a file that ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from reconciler.control.worker.artifacts import private
from reconciler.errors import LeaseHeld


class Alone:
    """Held for as long as this process works as a specialist. A context manager.

    Args:
        folder: the project's data folder.

    Raises:
        LeaseHeld: another process does.
    """

    def __init__(self, folder: Path, specialist_id: str) -> None:
        self._file = private(folder / "workers") / f"{specialist_id}.lock"
        self._name = specialist_id

    def __enter__(self) -> Alone:
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise LeaseHeld(
                f"specialist {self._name} works already, in process {holder or 'unknown'}",
                hint="choose another --replica, or end that one first",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
