"""The engine's event stream as a hint: something may have happened, so look.

Nothing is learned from an event itself. A stream that breaks is begun again, after a pause that grows; until then the
interval finds what there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reconciler.control.watch.wake import Bell
from reconciler.errors import FleetError
from reconciler.runtime.model import ContainerRuntime

# Fleet's own health checks make events too, and must not make it look again.
WORTH_A_LOOK = frozenset(
    {"die", "died", "kill", "oom", "pause", "remove", "rename", "start", "stop", "unpause", "update"}
)
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class EngineHints:
    """Rings the bell with `engine`. Begin with `start`, end with `stop`."""

    def __init__(self, bell: Bell, runtime: Callable[[], ContainerRuntime], project: str) -> None:
        self._bell = bell
        self._runtime = runtime
        self._project = project
        self._stopped = threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._run, name="fleet-engine", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End it; a stream that waits is closed."""
        self._stopped.set()
        close = getattr(self._stream, "close", None)
        if close is not None:
            # A generator that is being read cannot be closed from here; its thread ends with the process.
            with suppress(ValueError):
                close()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _FIRST_PAUSE)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            if self._listen():
                pause = _FIRST_PAUSE
            self._stopped.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _listen(self) -> bool:
        """Listen until the stream ends; whether anything was heard."""
        heard = False
        try:
            self._stream = self._runtime().events(self._project)
            if self._stopped.is_set():
                self.stop()
            for event in self._stream:
                heard = True
                if event.action in WORTH_A_LOOK:
                    self._bell.ring("engine")
        except FleetError:
            return heard
        return heard
