"""What of one answer to a Fetch counts: places inside batches, gaps, stops, damage."""

from __future__ import annotations

import pytest

from kq.client.exchange import PartitionAnswer, Taken, read_batches
from kq.client.fetched import Fetched
from kq.client.reading import Watermarks
from kq.client.settings import parse_settings
from kq.errors import Err
from kq.record.batch import Record, encode_batch
from kq.record.faults import CorruptRecord

SETTINGS = parse_settings({})


def batch(base: int, *offsets: int, epoch: int = 3) -> bytes:
    """A batch that begins at `base` and holds these offsets: compaction leaves such gaps."""
    records = [Record(offset, 1000, None, b"%d" % offset) for offset in offsets]
    return bytes(encode_batch(records, base_offset=base, leader_epoch=epoch))


def take(data: bytes, place: int, stop: int | None = None) -> tuple[Taken, list[bytes | None]]:
    answer = PartitionAnswer(Err.NONE, Watermarks(), None, -1, [], memoryview(data))
    taken = read_batches(answer, SETTINGS, place, stop)
    fetched = Fetched("t", 0, place, taken.next_offset, taken.batches, stop=stop)
    joined, count = fetched.joined(b",")
    values = fetched.values()
    assert joined == b"".join(value + b"," for value in values if value is not None)
    assert count == len(values)
    assert [record.value for record in fetched.records()] == values
    return taken, values


DATA = batch(0, 0, 1, 2) + batch(3, 3, 4) + batch(5, 5, 9, epoch=4) + batch(12, 12, 13, epoch=4)


def test_all_of_it() -> None:
    taken, values = take(DATA, 0)
    assert values == [b"0", b"1", b"2", b"3", b"4", b"5", b"9", b"12", b"13"]
    assert (taken.next_offset, taken.leader_epoch) == (14, 4)


def test_a_place_inside_a_batch_and_batches_before_it() -> None:
    assert take(DATA, 4)[1] == [b"4", b"5", b"9", b"12", b"13"]
    assert len(take(DATA, 4)[0].batches) == 3


def test_a_place_in_a_gap() -> None:
    assert take(DATA, 7)[1] == [b"9", b"12", b"13"]
    assert take(DATA, 10)[1] == [b"12", b"13"]


@pytest.mark.parametrize(
    ("stop", "values", "goes_on_at"),
    [(4, [b"3"], 4), (5, [b"3", b"4"], 5), (8, [b"3", b"4", b"5"], 8), (11, [b"3", b"4", b"5", b"9"], 11)],
)
def test_a_stop(stop: int, values: list[bytes], goes_on_at: int) -> None:
    taken, found = take(DATA, 3, stop)
    assert found == values
    assert taken.next_offset == goes_on_at


def test_a_batch_that_is_cut_short_is_left_for_the_next_fetch() -> None:
    taken, values = take(DATA[:-10], 5)
    assert values == [b"5", b"9"]
    assert taken.next_offset == 10


def test_nothing_whole() -> None:
    taken, values = take(DATA[:40], 0)
    assert (values, taken.next_offset, taken.leader_epoch) == ([], 0, -1)


def test_a_wrong_checksum_is_named() -> None:
    damaged = bytearray(DATA)
    damaged[-1] ^= 1
    with pytest.raises(CorruptRecord, match="The batch at offset 12 is damaged"):
        take(bytes(damaged), 0)
    answer = PartitionAnswer(Err.NONE, Watermarks(), None, -1, [], memoryview(damaged))
    unchecked = parse_settings({"check.crcs": "false"})
    assert read_batches(answer, unchecked, 0, None).next_offset == 14


def test_damage_before_the_place_and_after_the_stop_is_nobodys_business() -> None:
    damaged = bytearray(DATA)
    damaged[65] ^= 1
    assert take(bytes(damaged), 3, 10)[1] == [b"3", b"4", b"5", b"9"]
