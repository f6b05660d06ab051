"""How a segment's file is laid out, in the order in which its parts stand.

    magic       8 bytes
    blocks      one after the other, each compressed by itself
    directory   one entry a block: where it is and which ids, times and types it holds (compressed)
    keys        8 bytes a stream, sorted: the first half of a digest of its name
    places      4 bytes a stream: where its postings begin
    postings    for each stream its versions and the blocks that hold it
    footer      JSON: what the segment covers and where its parts are
    end         length and CRC-32 of the footer, then the magic again

A reader starts at the end. It needs the footer to know what there is, the directory to find an event, and eight bytes a
stream to find a stream; of the blocks it reads only those that hold what was asked for.
"""

from __future__ import annotations

import struct
import sys
from array import array
from hashlib import blake2b

import msgspec

MAGIC = b"FLEETSEG"
FORMAT = 1
END = struct.Struct("<II8s")


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Where a part of the file is, and its CRC-32."""

    offset: int
    size: int
    check: int


class Tally(msgspec.Struct):
    """How many events there are of each kind, so that nobody needs to read them to count them."""

    types: dict[str, int] = {}
    stream_types: dict[str, int] = {}
    actors: dict[str, int] = {}
    sources: dict[str, int] = {}
    days: dict[str, int] = {}


class SegmentInfo(msgspec.Struct, frozen=True):
    """What a segment covers. Times are Unix ms of recording, `newest_id` is the greatest of its event ids.

    Attributes:
        previous_hash: of the event before the first one.
        written_at: when it was archived.
    """

    first: int
    last: int
    from_time: int
    to_time: int
    newest_id: bytes
    previous_hash: bytes
    last_hash: bytes
    written_at: int

    @property
    def events(self) -> int:
        """How many events it holds; they are consecutive."""
        return self.last - self.first + 1


class Footer(msgspec.Struct, frozen=True):
    """What a segment covers, which types and how many of each kind it holds, and where its parts are."""

    format: int
    info: SegmentInfo
    types: list[tuple[str, int]]
    tally: Tally
    directory: Part
    keys: Part
    places: Part
    postings: Part


def key_of(stream: bytes) -> int:
    """The number that a stream is sorted and found by; two streams may share one."""
    return int.from_bytes(blake2b(stream, digest_size=8).digest(), "little")


def packed(code: str, values: list[int]) -> bytes:
    """Numbers of fixed width, little-endian."""
    numbers = array(code, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpacked(code: str, data: bytes) -> array[int]:
    """What `packed` put."""
    numbers = array(code)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
