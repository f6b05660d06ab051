"""What hurries the loop: a bell that anybody may ring, from any thread.

The loop looks at everything whenever it looks, so a ring says only that looking now is worth while. Rings that come
while it is at work are one ring.
"""

from __future__ import annotations

import threading
from typing import Literal

Ring = Literal["file", "engine", "health", "work", "process", "asked", "stop"]


class Bell:
    """Rings are collected until somebody waits for them."""

    def __init__(self) -> None:
        self._rings: set[Ring] = set()
        self._changed = threading.Condition()

    def ring(self, why: Ring) -> None:
        """Wake whoever waits, or be heard by the next one who does."""
        with self._changed:
            self._rings.add(why)
            self._changed.notify_all()

    def wait(self, seconds: float) -> frozenset[Ring]:
        """The rings since the last time; waits for one if there was none, but not longer than this."""
        with self._changed:
            self._changed.wait_for(lambda: self._rings, timeout=max(0.0, seconds))
            rings = frozenset(self._rings)
            self._rings.clear()
        return rings
