"""Times as rows hold them: Unix milliseconds, whichever way an event spells them."""

from __future__ import annotations

from datetime import UTC, datetime

HOUR_MS = 3_600_000


def unix_ms(value: str | int | None, default: int) -> int:
    """Unix ms from ISO 8601 text (UTC where it names no zone) or from Unix ms.

    Args:
        default: what an absent time counts as, usually when the event occurred.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return default if value is None else value
