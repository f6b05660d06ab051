"""Columns and blocks: what goes in comes out, in as few bytes as it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LogUnusable
from reconciler.events.archive.block import Block, SegmentDamaged, encode_block
from reconciler.events.archive.columns import ColumnReader, ColumnWriter, varint, varints
from reconciler.events.archive.record import Record, seal_record
from reconciler.events.store.chain import START
from reconciler.events.store.names import Origin
from tests.unit.ops.records import ORIGIN, chained, some_log

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(
    st.lists(INT64),
    st.lists(st.binary(max_size=40)),
    st.binary(max_size=8),
    st.lists(st.binary(min_size=3, max_size=3)),
)
def test_columns_come_back_in_the_order_in_which_they_were_put(
    numbers: list[int], blobs: list[bytes], raw: bytes, fixed: list[bytes]
) -> None:
    out = ColumnWriter()
    out.integers(numbers)
    out.blobs(blobs)
    out.raw(raw)
    out.fixed(fixed)
    columns = ColumnReader(out.getvalue())
    assert columns.integers(len(numbers)).tolist() == numbers
    assert list(columns.blobs()) == blobs
    assert columns.raw(len(raw)) == raw
    found = columns.fixed(3)
    assert [found[place] for place in range(len(found))] == fixed


@given(st.lists(st.binary(max_size=3)), st.binary(max_size=3))
def test_values_are_found_where_they_are(values: list[bytes], wanted: bytes) -> None:
    out = ColumnWriter()
    out.blobs(values)
    three = [(value + b"abc")[:3] for value in values]
    out.fixed(three)
    columns = ColumnReader(out.getvalue())
    assert columns.blobs().find(wanted) == (values.index(wanted) if wanted in values else -1)
    one = (wanted + b"abc")[:3]
    assert columns.fixed(3).find(one) == (three.index(one) if one in three else -1)


@pytest.mark.parametrize("place", [-1, 2])
def test_there_is_nothing_beyond_the_ends(place: int) -> None:
    out = ColumnWriter()
    out.blobs([b"a", b"b"])
    out.fixed([b"aa", b"bb"])
    columns = ColumnReader(out.getvalue())
    with pytest.raises(IndexError):
        columns.blobs()[place]
    with pytest.raises(IndexError):
        columns.fixed(2)[place]


@pytest.mark.parametrize("data", [b"b\x02", b"q\x01\x00", b"x\x01\x01", b""])
def test_integers_that_are_cut_short(data: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        ColumnReader(data).integers(2)


@pytest.mark.parametrize("data", [b"b\x01b\x05abcd", b"b\x02b\x01", b"b\xffb"])
def test_blobs_that_are_cut_short(data: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        ColumnReader(data).blobs()


def test_a_machine_with_the_other_byte_order_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    out = ColumnWriter()
    out.integers([1, -300, 70_000])
    monkeypatch.setattr("reconciler.events.archive.columns._SWAP", True)
    swapped = ColumnWriter()
    swapped.integers([1, -300, 70_000])
    assert ColumnReader(swapped.getvalue()).integers(3).tolist() == [1, -300, 70_000]
    assert swapped.getvalue() != out.getvalue()


@pytest.mark.parametrize(
    ("values", "width"), [([], 0), ([0, 127], 1), ([-128], 1), ([128], 2), ([40_000], 4), ([-(2**31) - 1], 8)]
)
def test_a_column_is_as_narrow_as_its_values_allow(values: list[int], width: int) -> None:
    out = ColumnWriter()
    out.integers(values)
    assert len(out.getvalue()) == 1 + width * len(values)


@given(st.lists(st.integers(0, 2**64)))
def test_varints_come_back(numbers: list[int]) -> None:
    assert varints(b"".join(map(varint, numbers))) == numbers


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
IDS = st.binary(min_size=16, max_size=16)
TIMES = st.integers(0, 2**47)
ORIGINS = st.builds(Origin, WORDS, st.sampled_from(["cli", "api"]), WORDS, WORDS, WORDS, WORDS)


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """Consecutive records with anything in them that the store lets through."""
    first = draw(st.integers(1, 2**40))
    ids = draw(st.lists(IDS, min_size=1, max_size=40, unique=True))
    causes = st.none() | st.sampled_from(ids) | IDS
    correlations = draw(st.lists(IDS, min_size=1, max_size=3))
    return chained(
        [
            Record(
                first + number,
                event_id,
                draw(st.sampled_from(["container_started", "squawk_sent"])),
                draw(st.integers(1, 3)),
                draw(st.sampled_from(["service", "squawk"])),
                draw(st.sampled_from(["a", "b/c", "ü"]) | WORDS),
                draw(st.integers(1, 2**40)),
                draw(st.binary(max_size=60)),
                draw(causes),
                draw(st.sampled_from(correlations)),
                draw(ORIGINS),
                draw(TIMES),
                draw(TIMES),
                b"",
            )
            for number, event_id in enumerate(ids)
        ]
    )


@given(logs())
def test_a_block_gives_back_every_field_of_every_record(records: list[Record]) -> None:
    types: dict[tuple[str, int], int] = {}
    block = Block(encode_block(records, START, types), records[0].sequence_number, list(types))
    assert list(block.records(range(block.count))) == records
    for row, record in enumerate(records):
        assert list(block.records([row])) == [record]
        assert block.row_of(record.event_id) == row
    for record in records:
        other = bytes([record.event_id[0] ^ 1]) + record.event_id[1:]
        assert block.row_of(other) == next((row for row, one in enumerate(records) if one.event_id == other), None)


def test_hashes_are_those_of_the_store_whatever_rows_are_asked_for() -> None:
    records = some_log(60)
    types: dict[tuple[str, int], int] = {}
    block = Block(encode_block(records, START, types), 1, list(types))
    assert [one.hash for one in block.records([0, 7, 8, 30, 59])] == [records[row].hash for row in (0, 7, 8, 30, 59)]
    assert seal_record(records[3].hash, records[4]) == records[4].hash


def test_a_changed_record_is_named_within_its_run() -> None:
    records = some_log(60)
    tampered = [*records[:20], records[20]._replace(data=b'{"service":"other"}'), *records[21:]]
    types: dict[tuple[str, int], int] = {}
    block = Block(encode_block(tampered, START, types), 1, list(types))
    with pytest.raises(SegmentDamaged, match="one of the events 21 to 24") as caught:
        list(block.records(range(60)))
    assert caught.value.sequence == 21
    assert isinstance(caught.value, LogUnusable)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_bytes_that_are_no_block_are_refused(damage: bytes) -> None:
    with pytest.raises(SegmentDamaged, match="the block of events from 65 on cannot be read"):
        Block(damage, 65, [])


def test_a_block_of_much_the_same_takes_few_bytes() -> None:
    records = chained([one._replace(origin=ORIGIN, data=b'{"specialist_id":"builder-1"}') for one in some_log(64)])
    assert len(encode_block(records, START, {})) < 64 * 34
