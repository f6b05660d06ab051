"""Columns: how a block of events is laid out before it is compressed.

Fields of the same kind stand together, because a column of nearly equal values compresses far better than rows do.
Integers take the narrowest width that holds the whole column; everything is little-endian. Reading takes nothing apart
that nobody asks for: a reader is mostly after one event of a block.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Literal

_Code = Literal["b", "h", "i", "q"]

_WIDTHS: tuple[tuple[_Code, int], ...] = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
_BY_BYTE: dict[int, tuple[_Code, int]] = {ord(code): (code, (bits + 1) // 8) for code, bits in _WIDTHS}
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
        """Byte strings, as many as the reader finds out here: how many, their lengths, all of them."""
        self.integers([len(values)])
        self.integers([len(value) for value in values])
        self.raw(b"".join(values))

    def fixed(self, values: Sequence[bytes]) -> None:
        """Byte strings of one length that the reader knows: how many, all of them."""
        self.integers([len(values)])
        self.raw(b"".join(values))

    def raw(self, value: bytes) -> None:
        """Bytes whose number is known to the reader."""
        self._buffer += value

    def getvalue(self) -> bytes:
        """All columns so far."""
        return bytes(self._buffer)


class Blobs:
    """Byte strings of any length, cut out when they are asked for."""

    def __init__(self, joined: bytes, lengths: memoryview) -> None:
        self._joined = joined
        self._lengths = lengths

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(self._lengths, initial=0))

    def __len__(self) -> int:
        return len(self._lengths)

    def __getitem__(self, place: int) -> bytes:
        if place < 0:
            raise IndexError("there is nothing before the first")
        start = sum(self._lengths[:place])
        return self._joined[start : start + self._lengths[place]]

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self)))

    def find(self, value: bytes) -> int:
        """The place of this value; -1 when it is not there."""
        at = self._joined.find(value)
        while value and at >= 0:
            place = bisect_right(self._ends, at) - 1
            if self._ends[place] == at and self._ends[place + 1] == at + len(value):
                return place
            at = self._joined.find(value, at + 1)
        return -1 if value else next((place for place, one in enumerate(self) if not one), -1)


class Fixed:
    """Byte strings of one length, cut out when they are asked for."""

    def __init__(self, joined: bytes, size: int) -> None:
        self._joined = joined
        self._size = size

    def __len__(self) -> int:
        return len(self._joined) // self._size

    def __getitem__(self, place: int) -> bytes:
        if not 0 <= place < len(self):
            raise IndexError(f"there is no entry {place}")
        return self._joined[place * self._size : (place + 1) * self._size]

    def find(self, value: bytes) -> int:
        """The place of this value; -1 when it is not there."""
        at = self._joined.find(value)
        while at >= 0:
            place, odd = divmod(at, self._size)
            if not odd:
                return place
            at = self._joined.find(value, at + 1)
        return -1


class ColumnReader:
    """Takes columns off a buffer in the order in which they were put."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._size = len(buffer)
        self._at = 0

    def integers(self, count: int) -> memoryview:
        """A column of `count` integers."""
        start = self._at + 1
        code, size = _BY_BYTE[self._buffer[start - 1]]
        self._at = end = start + count * size
        if count < 0 or end > self._size:
            raise ValueError("a column is cut short")
        column = self._view[start:end]
        return _swapped(column, code) if _SWAP else column.cast(code)

    def integer(self) -> int:
        """A column of one."""
        start = self._at + 1
        self._at = end = start + _BY_BYTE[self._buffer[start - 1]][1]
        if end > self._size:
            raise ValueError("a column is cut short")
        return int.from_bytes(self._buffer[start:end], "little", signed=True)

    def blobs(self) -> Blobs:
        """Byte strings of whatever number and length."""
        lengths = self.integers(self.integer())
        return Blobs(self.raw(sum(lengths)), lengths)

    def fixed(self, size: int) -> Fixed:
        """Byte strings of this length, of whatever number."""
        return Fixed(self.raw(self.integer() * size), size)

    def raw(self, size: int) -> bytes:
        """The next `size` bytes."""
        value = self._buffer[self._at : self._at + size]
        self._at += size
        if size < 0 or len(value) != size:
            raise ValueError("a column is cut short")
        return value


def _swapped(column: memoryview, code: _Code) -> memoryview:
    numbers = array(code, column.tobytes())
    numbers.byteswap()
    return memoryview(numbers)


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
