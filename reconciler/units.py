"""Durations, sizes and processor shares as people write them, read into plain integers.

Durations become milliseconds, sizes bytes. `30s`, `PT30S`, `0.5m` and `30` (seconds) are the same value, so none of
them is ever a change; the same holds for `1g`, `1024m` and `1073741824`.
"""

from __future__ import annotations

import re

_DURATION_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_ISO_DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|k|kb|ki|kib|m|mb|mi|mib|g|gb|gi|gib|t|tb|ti|tib)?", re.IGNORECASE)
_SIZE_POWER = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(value: str | int | float) -> int:
    """Milliseconds from `30s`, `1m30s`, `250ms`, `PT30S`, or a number of seconds.

    Raises:
        ValueError: with a sentence for the person when it is none of these.
    """
    if isinstance(value, int | float):
        if isinstance(value, bool) or value < 0:
            raise ValueError(f"{value!r} is not a duration such as 30s or 5m")
        return round(value * 1000)
    text = value.strip()
    if text.isdigit():
        return int(text) * 1000
    if text[:1] in {"P", "p"} and len(text) > 1:
        match = _ISO_DURATION.fullmatch(text.upper())
        if match and any(match.groups()):
            weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
            return round((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000)
    parts = _DURATION_PART.findall(text.lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.lower().replace(" ", ""):
        raise ValueError(f"{value!r} is not a duration such as 30s, 1m30s or PT30S")
    return round(sum(float(number) * _DURATION_MS[unit] for number, unit in parts))


def format_duration(milliseconds: int) -> str:
    """The shortest exact form that `parse_duration` reads back: `90s` is `1m30s`, 0 is `0s`."""
    if milliseconds <= 0:
        return "0s"
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, _DURATION_MS[unit])
        text += f"{count}{unit}" if count else ""
    return text


def parse_size(value: str | int) -> int:
    """Bytes from `512m`, `1g`, `1GiB` (all powers of 1024, as containers count them) or a number of bytes.

    Raises:
        ValueError: with a sentence for the person when it is none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 256m or 1g")
    unit: int = 1024 ** _SIZE_POWER[(match[2] or "")[:1].lower()]
    return round(float(match[1]) * unit)


def format_size(count: int) -> str:
    """The shortest exact form that `parse_size` reads back."""
    for unit in ("t", "g", "m", "k"):
        size = 1024 ** _SIZE_POWER[unit]
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
