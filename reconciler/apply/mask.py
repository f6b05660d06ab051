"""Mask: no value of a secret leaves in a text, whoever wrote that text."""

from __future__ import annotations

import json
import threading
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# Shorter texts occur everywhere by chance, and hiding them would only show where.
_SHORTEST = 3


class Mask:
    """The secret values of one apply, learned as they are fetched. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: set[str] = set()

    def learn(self, value: bytes | str) -> None:
        """From now on this value is hidden: as it is, line by line, and as JSON, a URL, base64 or Go would spell it."""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        forms = {part for whole in (text, *text.splitlines()) for part in _spellings(whole)}
        with self._lock:
            self._forms |= {form for form in forms if len(form.strip()) >= _SHORTEST}

    def __call__(self, text: str) -> str:
        """The text with every known value hidden, longer ones first."""
        with self._lock:
            forms = sorted(self._forms, key=len, reverse=True)
        for form in forms:
            text = text.replace(form, HIDDEN)
        return text


def _spellings(text: str) -> set[str]:
    return {
        text,
        text.strip(),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        quote(text, safe=""),
        quote_plus(text),
        repr(text)[1:-1],
        *_in_base64(text),
    }


def _in_base64(text: str) -> set[str]:
    """The text in both alphabets, without the padding, which programs leave out as they please."""
    if len(text.strip()) < _SHORTEST:
        return set()
    data = text.encode("utf-8", "surrogatepass")
    return {encode(data).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode)}
