"""Mask: no value of a secret leaves in a text, whoever wrote that text."""

from __future__ import annotations

import json
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
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

    def stream(self) -> MaskedStream:
        """A filter for bytes that come in pieces, for the values that are known now."""
        with self._lock:
            return MaskedStream(form.encode("utf-8", "surrogatepass") for form in self._forms)

    def __call__(self, text: str) -> str:
        """The text with every known value hidden, longer ones first."""
        with self._lock:
            forms = sorted(self._forms, key=len, reverse=True)
        for form in forms:
            text = text.replace(form, HIDDEN)
        return text


class MaskedStream:
    """Hides values in bytes that come in pieces, also where a value is cut in two by the pieces.

    Args:
        forms: what is to be hidden.
    """

    def __init__(self, forms: Iterable[bytes]) -> None:
        self._forms = sorted(forms, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may go on now; what could be the beginning of a value waits for the next piece."""
        if not self._forms:
            return data
        hidden = self._hidden(self._held + data)
        beginning = max(_beginning(form, hidden) for form in self._forms)
        cut = len(hidden) - beginning
        self._held = hidden[cut:]
        return hidden[:cut]

    def rest(self) -> bytes:
        """What still waits, when nothing more comes."""
        held, self._held = self._held, b""
        return held

    def _hidden(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, HIDDEN.encode())
        return data


def _beginning(form: bytes, data: bytes) -> int:
    """How many bytes at the end of the data are the beginning of the form, but not all of it."""
    return next((count for count in range(min(len(form) - 1, len(data)), 0, -1) if data.endswith(form[:count])), 0)


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
