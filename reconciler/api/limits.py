"""How often somebody may ask: a bucket for each caller, filled steadily and emptied by every request."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from reconciler.api.refusals import TooMany

_MOST_CALLERS = 10_000


class Rates:
    """Buckets by caller.

    Args:
        rate: requests a second; 0 is without limit.
        burst: requests at once, after a quiet time.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Count one request.

        Raises:
            TooMany: the bucket is empty.
        """
        if not self._rate:
            return
        now = self._clock()
        left, at = self._left.get(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if left < 1:
            self._left[who] = (left, now)
            wait = math.ceil((1 - left) / self._rate)
            raise TooMany(f"{who} asks too often", retry_after_s=wait, hint=f"come again in {wait} s")
        if len(self._left) >= _MOST_CALLERS:
            self._left.clear()
        self._left[who] = (left - 1, now)
