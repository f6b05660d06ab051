"""When a call is made again, and when not. Pure.

A read may always be made again. A POST carries an idempotency key, the same one each time, so that the server does it once
however often it arrives. A change with `If-Match` is told apart by its version, and so is made again only when it certainly
never arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.client.call import Method

_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    Attributes:
        most: calls in all.
        first_s, longest_s: pause before the second call, doubled from one to the next up to the longest.
    """

    most: int = 4
    first_s: float = 0.1
    longest_s: float = 5.0

    def pause(self, attempt: int, asked_s: float | None = None) -> float:
        """Seconds to wait after attempt number `attempt`, from 1; what the server asked for counts first."""
        own: float = min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)
        return min(max(own, asked_s or 0.0), self.longest_s)

    def after_answer(self, method: Method, status: int, attempt: int) -> bool:
        """Whether to ask again after an answer."""
        return status in _BUSY and method in ("GET", "POST") and attempt < self.most

    def after_silence(self, method: Method, attempt: int, *, sent: bool) -> bool:
        """Whether to ask again when no answer came; `sent` is False where the request certainly never arrived."""
        return (method in ("GET", "POST") or not sent) and attempt < self.most


def asked_pause(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for; None where it says none, or a date."""
    try:
        return float(value) if value else None
    except ValueError:
        return None
