"""Cron expressions of five fields: when they last matched. Pure: a moment in, moments out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SUNDAY = 7
_DAY_MS = 86_400_000


def starts_before(expression: str, timezone: str = "UTC", *, now_ms: int, back_ms: int) -> Iterator[int]:
    """Unix ms of the times up to now at which an expression matched, latest first.

    Args:
        timezone: in which the expression is read.
        back_ms: how far back is of interest; a day or two more may be given.
    """
    zone = _zone(timezone)
    parts = expression.split()
    minutes, hours, days, months, weekdays = (
        _numbers(part, low, high) for part, (low, high) in zip(parts, _BOUNDS, strict=True)
    )
    weekdays = {day % _SUNDAY for day in weekdays}
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    # A day more, for a local time that a change of the clocks has moved.
    for back in range(back_ms // _DAY_MS + 3):
        day = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        in_month, in_week = day.day in days, day.isoweekday() % _SUNDAY in weekdays
        # As cron has it: where both are given, either will do.
        both = not parts[2].startswith("*") and not parts[4].startswith("*")
        if day.month not in months or not (in_month or in_week if both else in_month and in_week):
            continue
        starts = (
            int(day.replace(hour=hour, minute=minute).timestamp() * 1000)
            for hour in sorted(hours, reverse=True)
            for minute in sorted(minutes, reverse=True)
        )
        yield from (start for start in starts if start <= now_ms)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _numbers(part: str, low: int, high: int) -> set[int]:
    """The numbers that one field of an expression stands for."""
    found: set[int] = set()
    for one in part.split(","):
        span, _, step = one.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = int(first)
            end = int(last) if dash else high if step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return found
