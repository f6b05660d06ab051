"""Columns: how a block of events is laid out before it is compressed.

Fields of the same kind stand together, because a column of nearly equal values compresses far better than rows do.
Integers take the narrowest width that holds the whole column; everything is little-endian.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

_WIDTHS = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
_SWAP = sys.byteorder == "big"


class ColumnWriter:
    """Puts columns one after the other into a buffer."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def integers(self, values: Sequence[int]) -> None:
        """A column of signed 64-bit integers; its length must be known to the reader."""
        low, high = (min(values), max(values)) if values else (0, 0)
        code = next(code for code, bits in _WIDTHS if -(1 << bits) <= low and high < (1 << bits))
        column = array(code, values)
        if _SWAP:
            column.byteswap()
        self._buffer += code.encode()
        self._buffer += column.tobytes()

    def blobs(self, values: Sequence[bytes]) -> None:
        """A column of byte strings: their lengths, then all of them."""
        self.integers([len(value) for value in values])
        self._buffer += b"".join(values)

    def table(self, values: Sequence[bytes]) -> None:
        """A list of byte strings whose length the reader does not know."""
        self.integers([len(values)])
        self.blobs(values)

    def raw(self, value: bytes) -> None:
        """Bytes whose number is known to the reader."""
        self._buffer += value

    def getvalue(self) -> bytes:
        """All columns so far."""
        return bytes(self._buffer)


class ColumnReader:
    """Takes columns off a buffer in the order in which they were put."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._at = 0

    def integers(self, count: int) -> array[int]:
        """A column of `count` integers."""
        code = chr(self._buffer[self._at])
        column = array(code)
        start = self._at + 1
        self._at = start + count * column.itemsize
        column.frombytes(self._buffer[start : self._at])
        if _SWAP:
            column.byteswap()
        return column

    def blobs(self, count: int) -> list[bytes]:
        """A column of `count` byte strings."""
        lengths = self.integers(count)
        buffer = self._buffer
        ends = list(accumulate(lengths, initial=self._at))
        self._at = ends[-1]
        return [buffer[start:end] for start, end in pairwise(ends)]

    def table(self) -> list[bytes]:
        """A list of byte strings of whatever length."""
        return self.blobs(self.integers(1)[0])

    def raw(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self._at
        self._at += size
        return self._buffer[start : self._at]


def varint(value: int) -> bytes:
    """A number of at least 0 in as few bytes as it takes, seven bits in each."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varints(data: bytes) -> list[int]:
    """All numbers of a run of varints."""
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(value)
            value = shift = 0
    return numbers
