"""Segments: a file of old events answers like the list of records that it was written from, or says what is wrong."""

from __future__ import annotations

import json
import random
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.events.archive.block import BLOCK_EVENTS, SegmentDamaged
from reconciler.events.archive.layout import END, MAGIC
from reconciler.events.archive.record import Record
from reconciler.events.archive.segment import Segment
from reconciler.events.archive.writer import write_segment
from reconciler.events.store.chain import START
from reconciler.events.store.query import EventQuery
from tests.unit.ops.records import NOON, chained, some_log

LOG = some_log(1_000, streams=30)


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segment]:
    """LOG as a file."""
    path = tmp_path_factory.mktemp("archive") / "one.segment"
    write_segment(path, LOG, START, now_ms=NOON)
    with Segment(path) as opened:
        yield opened


def selected(records: list[Record], query: EventQuery) -> list[Record]:
    """What a query means, said plainly."""
    chosen = [
        one
        for one in records
        if one.sequence_number > query.after
        and (query.before is None or one.sequence_number < query.before)
        and query.stream_type in ("", one.stream_type)
        and query.stream_id in ("", one.stream_id)
        and (not query.types or one.event_type in query.types)
        and (query.since_ms is None or one.recorded_at >= query.since_ms)
        and (query.until_ms is None or one.recorded_at <= query.until_ms)
        and (query.correlation_id is None or one.correlation_id == query.correlation_id.bytes)
        and (query.causation_id is None or one.causation_id == query.causation_id.bytes)
        and query.text.lower() in one.data.decode().lower()
    ]
    return chosen[::-1] if query.newest_first else chosen


def test_what_is_written_is_described(tmp_path: Path) -> None:
    path = tmp_path / "one.segment"
    info = write_segment(path, LOG, START, now_ms=NOON)
    assert (info.first, info.last, info.events) == (1, 1_000, 1_000)
    assert (info.previous_hash, info.last_hash) == (START, LOG[-1].hash)
    assert (info.from_time, info.to_time) == (LOG[0].recorded_at, LOG[-1].recorded_at)
    assert info.newest_id == max(one.event_id for one in LOG)
    assert info.written_at == NOON
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Segment(path) as segment:
        assert segment.info == info
        assert segment.size == path.stat().st_size
        assert segment.digest() == sha256(path.read_bytes()).digest()


def test_it_is_small(segment: Segment) -> None:
    assert segment.path.stat().st_size / len(LOG) < 80


def test_kinds_are_counted_once_and_for_all(segment: Segment) -> None:
    tally = segment.tally
    assert sum(tally.types.values()) == sum(tally.days.values()) == 1_000
    assert tally.types["container_started"] == sum(one.event_type == "container_started" for one in LOG)
    assert tally.stream_types == {"service": 1_000}
    assert tally.actors == {"ada": 1_000}
    assert tally.sources == {"cli": 1_000}


@given(st.integers(0, 1_100), st.none() | st.integers(0, 1_100))
def test_any_range_of_sequence_numbers(segment: Segment, after: int, before: int | None) -> None:
    expected = [one for one in LOG if one.sequence_number > after and (before is None or one.sequence_number < before)]
    assert list(segment.records(after, before)) == expected


def test_an_event_by_its_id(segment: Segment) -> None:
    for record in random.Random(2).sample(LOG, 50):
        assert segment.event(record.event_id) == record
        assert segment.event(record.event_id[:6] + bytes(10)) is None
    assert segment.event(bytes(16)) is None


def test_a_stream_from_any_version(segment: Segment) -> None:
    for stream_id in {one.stream_id for one in LOG}:
        expected = [one for one in LOG if one.stream_id == stream_id]
        for after in (0, 1, len(expected) // 2, len(expected) - 1, len(expected)):
            assert list(segment.stream("service", stream_id, after)) == expected[after:]
    assert list(segment.stream("mission", LOG[0].stream_id)) == []
    assert list(segment.stream("service", "nobody")) == []


QUERIES = st.builds(
    EventQuery,
    stream_type=st.sampled_from(["", "service", "mission"]),
    stream_id=st.sampled_from(["", "web1", "web2", "nobody"]),
    types=st.sampled_from([(), ("container_started",), ("container_started", "container_stopped"), ("apply_started",)]),
    after=st.integers(0, 1_010),
    before=st.none() | st.integers(0, 1_010),
    since_ms=st.none() | st.sampled_from([one.recorded_at for one in LOG[::90]]),
    until_ms=st.none() | st.sampled_from([one.recorded_at for one in LOG[::90]]),
    correlation_id=st.none() | st.sampled_from([UUID(bytes=one.correlation_id) for one in LOG[::90]]),
    causation_id=st.none() | st.sampled_from([UUID(bytes=one.causation_id) for one in LOG[::90] if one.causation_id]),
    text=st.sampled_from(["", "WEB1", "replica", "absent"]),
    newest_first=st.booleans(),
)


@settings(max_examples=300)
@given(QUERIES)
def test_a_query_selects_what_it_says(segment: Segment, query: EventQuery) -> None:
    assert list(segment.select(query)) == selected(LOG, query)


def test_a_query_for_everything(segment: Segment) -> None:
    assert list(segment.select()) == LOG


@given(st.integers(LOG[0].recorded_at - 5, LOG[-1].recorded_at + 5))
def test_the_last_event_of_a_moment(segment: Segment, time_ms: int) -> None:
    assert segment.sequence_at(time_ms) == max(
        (n for n, one in enumerate(LOG, 1) if one.recorded_at <= time_ms), default=0
    )


def test_the_clock_may_have_gone_back(tmp_path: Path) -> None:
    records = chained([one._replace(recorded_at=one.recorded_at - 10_000 * (n % 3)) for n, one in enumerate(LOG[:200])])
    write_segment(tmp_path / "one.segment", records, START, now_ms=NOON)
    with Segment(tmp_path / "one.segment") as segment:
        for time_ms in {one.recorded_at for one in records}:
            newest = max(one.sequence_number for one in records if one.recorded_at <= time_ms)
            assert segment.sequence_at(time_ms) == newest


def test_more_types_than_a_mask_has_bits(tmp_path: Path) -> None:
    records = chained([one._replace(event_type=f"type_{n % 90}") for n, one in enumerate(LOG[:300])])
    write_segment(tmp_path / "one.segment", records, START, now_ms=NOON)
    with Segment(tmp_path / "one.segment") as segment:
        for number in (0, 61, 62, 63, 89):
            query = EventQuery(types=(f"type_{number}",))
            assert list(segment.select(query)) == selected(records, query)


def test_a_segment_may_begin_anywhere(tmp_path: Path) -> None:
    write_segment(tmp_path / "one.segment", LOG[137:420], LOG[136].hash, now_ms=NOON)
    with Segment(tmp_path / "one.segment") as segment:
        assert list(segment.records()) == LOG[137:420]
        assert list(segment.records(200, 300)) == LOG[200:299]
        assert segment.event(LOG[136].event_id) is None
        assert segment.event(LOG[137].event_id) == LOG[137]


@pytest.mark.parametrize("records", [[], [LOG[0], LOG[2]]], ids=["none", "gap"])
def test_only_consecutive_events_make_a_segment(tmp_path: Path, records: list[Record]) -> None:
    with pytest.raises(ValueError, match="at least one|does not follow"):
        write_segment(tmp_path / "one.segment", records, START, now_ms=NOON)


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "one.segment").write_bytes(b"something")
    with pytest.raises(FileExistsError):
        write_segment(tmp_path / "one.segment", LOG, START, now_ms=NOON)
    assert (tmp_path / "one.segment").read_bytes() == b"something"


def test_two_streams_may_share_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.events.archive.writer.key_of", lambda stream: 7)
    monkeypatch.setattr("reconciler.events.archive.segment.key_of", lambda stream: 7)
    write_segment(tmp_path / "one.segment", LOG, START, now_ms=NOON)
    with Segment(tmp_path / "one.segment") as segment:
        for stream_id in ("web1", "web2"):
            expected = [one for one in LOG if one.stream_id == stream_id]
            assert list(segment.stream("service", stream_id)) == expected
            query = EventQuery(stream_type="service", stream_id=stream_id)
            assert list(segment.select(query)) == expected
        assert list(segment.stream("service", "nobody")) == []


def read_all(path: Path) -> list[Record]:
    """Everything of a segment, through each way of reading it."""
    with Segment(path) as segment:
        records = list(segment.records())
        for record in records[::100]:
            assert segment.event(record.event_id) == record
            assert record in list(segment.stream(record.stream_type, record.stream_id, record.version - 1))
        return records


@settings(max_examples=400)
@given(st.integers(0), st.integers(1, 255))
def test_no_flipped_byte_goes_unseen(tmp_path_factory: pytest.TempPathFactory, at: int, flip: int) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    write_segment(folder / "good.segment", LOG[:200], START, now_ms=NOON)
    good = sha256((folder / "good.segment").read_bytes()).digest()
    data = bytearray((folder / "good.segment").read_bytes())
    data[at % len(data)] ^= flip
    (folder / "bad.segment").write_bytes(data)
    with suppress(SegmentDamaged), Segment(folder / "bad.segment") as segment:
        assert segment.digest() != good
        assert sorted(read_all(folder / "bad.segment")) == sorted(LOG[:200])


@pytest.mark.parametrize("size", [0, 7, 30, 5_000, -1])
def test_a_file_that_is_cut_short(tmp_path: Path, size: int) -> None:
    path = tmp_path / "one.segment"
    write_segment(path, LOG, START, now_ms=NOON)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SegmentDamaged, match="cut short"):
        Segment(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SegmentDamaged, match="cannot be opened") as caught:
        Segment(tmp_path / "none.segment")
    assert caught.value.where == str(tmp_path / "none.segment")


def rewritten(path: Path, change: dict[bytes, bytes]) -> None:
    """Change the footer and make its check right again."""
    import zlib

    data = path.read_bytes()
    length, _, _ = END.unpack(data[-END.size :])
    footer = data[-END.size - length : -END.size]
    for old, new in change.items():
        assert old in footer
        footer = footer.replace(old, new)
    end = END.pack(len(footer), zlib.crc32(footer), MAGIC)
    path.write_bytes(data[: -END.size - length] + footer + end)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b'"format":1': b'"format":2'}, "a newer Fleet"),
        ({b'"first":1,': b'"first":"x",'}, "the footer cannot be read"),
        ({b64encode(LOG[-1].hash): b64encode(LOG[-2].hash)}, "one of the events 997 to 1000"),
        ({b'"keys":[': b'"keys":[1'}, "cut short|not what was written"),
        ({b'"from_time":': b'"from_time":"x","f":'}, "the footer cannot be read"),
    ],
)
def test_a_footer_that_does_not_fit(tmp_path: Path, change: dict[bytes, bytes], message: str) -> None:
    path = tmp_path / "one.segment"
    write_segment(path, LOG, START, now_ms=NOON)
    rewritten(path, change)
    with pytest.raises(SegmentDamaged, match=message):
        read_all(path)


def test_blocks_that_were_exchanged(tmp_path: Path) -> None:
    """Records that are right in themselves but do not follow from one another."""
    size = BLOCK_EVENTS
    other = some_log(size, streams=30, seed=9)
    records = [*LOG[:size], *chained([one._replace(sequence_number=one.sequence_number + size) for one in other])]
    write_segment(tmp_path / "one.segment", records, START, now_ms=NOON)
    with pytest.raises(SegmentDamaged, match=f"one of the events {size + 1} to {size + 4}"):
        read_all(tmp_path / "one.segment")


def test_the_last_event_of_a_block_is_proven_by_the_next_block(tmp_path: Path) -> None:
    last = BLOCK_EVENTS - 1
    records = [*LOG[:last], LOG[last]._replace(data=b'{"service":"other"}'), *LOG[last + 1 : 100]]
    write_segment(tmp_path / "one.segment", records, START, now_ms=NOON)
    with pytest.raises(SegmentDamaged, match=f"one of the events {last - 2} to {last + 1}"):
        read_all(tmp_path / "one.segment")


def parts_of(path: Path) -> dict[str, list[int]]:
    """Where the parts of a segment are, as its footer says."""
    data = path.read_bytes()
    length, _, _ = END.unpack(data[-END.size :])
    footer = json.loads(data[-END.size - length : -END.size])
    return {name: value for name, value in footer.items() if isinstance(value, list) and len(value) == 3}


def test_a_directory_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "one.segment"
    write_segment(path, LOG, START, now_ms=NOON)
    directory, keys = (json.dumps(parts_of(path)[name], separators=(",", ":")) for name in ("directory", "keys"))
    rewritten(path, {f'"directory":{directory}'.encode(): f'"directory":{keys}'.encode()})
    with pytest.raises(SegmentDamaged, match="the directory cannot be read"):
        read_all(path)


def test_types_that_are_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "one.segment"
    write_segment(path, LOG, START, now_ms=NOON)
    with Segment(path) as segment:
        types = json.dumps(segment._footer.types, separators=(",", ":")).encode()
    rewritten(path, {b'"types":' + types: b'"types":[]'})
    with pytest.raises(SegmentDamaged, match="it cannot be made sense of"):
        read_all(path)


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    write_segment(tmp_path / "one.segment", LOG, START, now_ms=NOON)
    segment = Segment(tmp_path / "one.segment")
    segment.close()
    segment.close()
