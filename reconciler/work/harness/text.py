"""Text from outside: cleaned of everything that could move a cursor or hide a word, and bounded in size."""

from __future__ import annotations

import re

SUMMARY_CHARACTERS = 4_000
MESSAGE_CHARACTERS = 300
LINE_BYTES = 4_194_304
EXCERPT_BYTES = 524_288

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]"
)
# Control characters but tab and line feed; marks that turn the direction of text; the byte order mark.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without escapes and control characters; a carriage return begins a new line."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def decoded(data: bytes) -> str:
    """Bytes as clean text; what is no UTF-8 becomes a replacement character."""
    return clean(data.decode("utf-8", "replace"))


def shortened(text: str, limit: int = SUMMARY_CHARACTERS) -> str:
    """The head of a text, and a sign where there was more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def ending(text: str, limit: int = SUMMARY_CHARACTERS) -> str:
    """The end of a text, where a program says last what matters most."""
    stripped = text.strip()
    return stripped if len(stripped) <= limit else "…" + stripped[1 - limit :]


def one_line(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """The text on one line."""
    return shortened(" ".join(clean(text).split()), limit)


class Excerpt:
    """The head and the tail of a stream of bytes of any length, in bounded memory."""

    def __init__(self, limit: int = EXCERPT_BYTES) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            if len(self._tail) > 2 * self._half:
                del self._tail[: -self._half]

    @property
    def left_out(self) -> int:
        """How many bytes of the middle are not kept."""
        return max(self.total - len(self._head) - self._half, 0) if self._tail else 0

    def content(self) -> bytes:
        """Head and tail, with a line between them that says how much is missing."""
        missing = self.left_out
        if not missing:
            return bytes(self._head + self._tail)
        sign = f"\n… {missing} bytes left out …\n".encode()
        return bytes(self._head) + sign + bytes(self._tail[-self._half :])

    def text(self) -> str:
        """The same as clean text."""
        return decoded(self.content())


class Lines:
    """Bytes in pieces of any size to whole lines. A line beyond the limit is passed over to its end."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        pieces = data.split(b"\n")
        found: list[bytes] = []
        for piece in pieces[:-1]:
            if not self._skipping:
                self._rest += piece
                self._keep(found)
            self._skipping = False
            self._rest.clear()
        if not self._skipping:
            self._rest += pieces[-1]
            if len(self._rest) > self._limit:
                self._skipping = True
                self.skipped += 1
                self._rest.clear()
        return found

    def finish(self) -> list[bytes]:
        """The last line, if the stream ended within it."""
        found: list[bytes] = []
        if self._rest and not self._skipping:
            self._keep(found)
        self._rest.clear()
        return found

    def _keep(self, found: list[bytes]) -> None:
        if len(self._rest) > self._limit:
            self.skipped += 1
        else:
            found.append(bytes(self._rest))
