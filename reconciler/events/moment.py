"""A point of the log as people name it: a sequence number, a time, or how long ago."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import FleetError

_AGO = re.compile(r"(\d+)\s*(s|sec|second|m|min|minute|h|hour|d|day|w|week)s?(?:\s+ago)?", re.IGNORECASE)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_LARGEST = 1 << 62
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Moment:
    """Either a sequence number or a Unix time in ms; the other is None."""

    sequence: int | None = None
    time_ms: int | None = None


class MomentUnclear(FleetError):
    """The words do not name a point of the log."""

    http_status = 422
    code = "moment_unclear"


def parse_moment(text: str, *, now_ms: int) -> Moment:
    """Read `1042`, `2026-11-24T12:00`, `12:00` (today, local), `yesterday`, or `2 hours ago`.

    Times without a zone are local ones.

    Raises:
        MomentUnclear: when it is none of these.
    """
    words = text.strip()
    if len(words) > _LONGEST:
        raise _unclear(text)
    if words.isascii() and words.isdigit():
        return Moment(sequence=_kept(int(words), text))
    if words.lower() == "now":
        return Moment(time_ms=now_ms)
    if words.lower() == "yesterday":
        return Moment(time_ms=now_ms - _UNIT_MS["d"])
    ago = _AGO.fullmatch(words)
    if ago:
        return Moment(time_ms=_kept(now_ms - int(ago[1]) * _UNIT_MS[ago[2][0].lower()], text))
    today = datetime.fromtimestamp(now_ms / 1000).astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", words):
            hours, minutes, *seconds = (int(part) for part in words.split(":"))
            clock = today.replace(hour=hours, minute=minutes, second=seconds[0] if seconds else 0, microsecond=0)
            return Moment(time_ms=round(clock.timestamp() * 1000))
        moment = datetime.fromisoformat(words)
        return Moment(time_ms=round((moment if moment.tzinfo is not None else moment.astimezone()).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise _unclear(text) from None


def _kept(number: int, text: str) -> int:
    """A number that the log could hold; those of a hundred digits name nothing."""
    if abs(number) >= _LARGEST:
        raise _unclear(text)
    return number


def _unclear(text: str) -> MomentUnclear:
    return MomentUnclear(
        f"{text[:_LONGEST]!r} is no point of the log",
        hint="give a sequence number, a time such as 2026-11-24T12:00, or '2 hours ago'",
    )
