"""Rate limits as agents tell of them: in words, for there is no field that all of them have."""

from __future__ import annotations

import re

DEFAULT_MS = 60_000
LONGEST_MS = 6 * 3_600_000

_THROTTLED = re.compile(
    r"\b429\b|\b529\b|rate.?limit|too many requests|usage limit|quota (?:exceeded|reached)|overloaded", re.IGNORECASE
)
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_AFTER = re.compile(
    r"(?:retry.?after(?:.seconds)?|(?:re)?try(?: again)? (?:in|after)|resets? in)"
    r"[\s\"':=]*(?:about )?(\d{1,7}(?:\.\d+)?)\s*(ms|milli\w*|s\b|sec\w*|m\b|min\w*|h\b|hour\w*)?",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"limit reached\|(\d{10})\b")


def is_throttled(text: str) -> bool:
    """Whether an error says that the other side wants to be asked less often."""
    return _THROTTLED.search(text) is not None


def wait_of(text: str, now_ms: int) -> int:
    """How long the other side asked to wait, in milliseconds; a minute when it does not say."""
    until = _UNTIL.search(text)
    if until is not None:
        return _bounded(int(until[1]) * 1_000 - now_ms)
    found = _AFTER.search(text)
    if found is None:
        return DEFAULT_MS
    unit = (found[2] or "s").lower()
    factor = _UNITS["ms"] if unit.startswith(("ms", "milli")) else _UNITS[unit[0]]
    return _bounded(int(float(found[1]) * factor))


def _bounded(milliseconds: int) -> int:
    return min(max(milliseconds, 1_000), LONGEST_MS)
