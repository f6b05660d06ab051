"""Documents for people's eyes: what looks like a secret that was written into the file is covered.

Secrets by reference never have their value in a document. This is for those that somebody wrote down all the same: a
variable called `…PASSWORD`, the password of a URL, `--token=…` in a command.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "********"

_TABLES = frozenset({"environment", "args", "labels", "sysctls"})
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)?$|passw|secret|token|credential|(?:^|[_.-])key$|(?:api|private|access)[_.-]?key", re.I
)
_NO_SECRET_NAME = re.compile(r"_(?:file|path)$", re.I)
_URL_PASSWORD = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@]{0,200}:)[^\s/@]+(?=@)")
_ASSIGNED = re.compile(
    r"(?P<before>(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;]+",
    re.I,
)


def masked(document: Any) -> Any:
    """A copy of a document, of a fleet's file or of `Desired`, with what looks like a secret covered."""
    return _masked(document, in_table=False)


def masked_text(text: str) -> str:
    """The text with passwords of URLs and values assigned to secret-like names covered."""
    text = _URL_PASSWORD.sub(rf"\g<before>{MASK}", text)
    return _ASSIGNED.sub(rf"\g<before>{MASK}", text)


def is_secret_name(name: str) -> bool:
    """Whether what bears this name is likely a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


def _masked(value: Any, *, in_table: bool) -> Any:
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, list | tuple):
        return [_masked(item, in_table=False) for item in value]
    if not isinstance(value, dict):
        return value
    covered = {}
    for key, inner in value.items():
        if in_table and isinstance(inner, str) and inner and is_secret_name(key):
            covered[key] = MASK
        else:
            covered[key] = _masked(inner, in_table=key in _TABLES)
    return covered
