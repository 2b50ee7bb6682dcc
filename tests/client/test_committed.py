"""Aborted transactions: which batches a reader gets, against a plain twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.client.committed import Aborted, RawBatch, data_batches
from kq.record.batch import Record, encode_batch, parse_header
from kq.record.control import EndOfTransaction, Marker, encode_marker


def data(offset: int, producer: int = -1, *, transactional: bool = False, count: int = 2) -> RawBatch:
    records = [Record(offset + n, 1000, None, b"v") for n in range(count)]
    raw = encode_batch(
        records,
        base_offset=offset,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        transactional=transactional,
    )
    return RawBatch(parse_header(raw), memoryview(raw))


def marker(offset: int, producer: int, kind: Marker) -> RawBatch:
    raw = encode_marker(EndOfTransaction(kind, 0), producer_id=producer, producer_epoch=0, timestamp_ms=1000)
    header = parse_header(raw)._replace(base_offset=offset)
    return RawBatch(header, memoryview(raw))


def offsets(batches: list[RawBatch], aborted: list[Aborted]) -> list[int]:
    return [batch.header.base_offset for batch in data_batches(batches, aborted)]


def test_without_aborted_transactions_only_markers_go() -> None:
    log = [data(0), data(2, 7, transactional=True), marker(4, 7, Marker.COMMIT), data(5)]
    assert offsets(log, []) == [0, 2, 5]


def test_an_aborted_transaction_goes_and_what_surrounds_it_stays() -> None:
    log = [
        data(0, 7, transactional=True),
        marker(2, 7, Marker.COMMIT),
        data(3, 7, transactional=True),
        data(5, 8, transactional=True),
        data(7),
        marker(9, 7, Marker.ABORT),
        data(10, 7, transactional=True),
        marker(12, 8, Marker.COMMIT),
    ]
    assert offsets(log, [Aborted(7, 3)]) == [0, 5, 7, 10]


def test_a_producers_plain_batches_are_not_its_transaction() -> None:
    assert offsets([data(0, 7, transactional=True), data(2, 7)], [Aborted(7, 0)]) == [2]


def test_two_aborted_transactions_of_one_producer_in_any_order() -> None:
    log = [
        data(0, 7, transactional=True),
        marker(2, 7, Marker.ABORT),
        data(3, 7, transactional=True),
        marker(5, 7, Marker.COMMIT),
        data(6, 7, transactional=True),
        marker(8, 7, Marker.ABORT),
    ]
    assert offsets(log, [Aborted(7, 6), Aborted(7, 0)]) == [3]


def test_a_fetch_that_begins_inside_an_aborted_transaction() -> None:
    log = [data(30, 7, transactional=True), marker(32, 7, Marker.ABORT), data(33)]
    assert offsets(log, [Aborted(7, 2)]) == [33]


Step = tuple[str, int]


@given(st.lists(st.tuples(st.sampled_from(["data", "plain", "commit", "abort"]), st.integers(1, 3)), max_size=40))
def test_against_a_log_that_knows_how_each_transaction_ended(steps: list[Step]) -> None:
    log: list[RawBatch] = []
    open_since: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    kept: set[int] = set()
    aborted: list[Aborted] = []
    offset = 0
    for kind, producer in steps:
        if kind == "plain":
            log.append(data(offset))
            kept.add(offset)
        elif kind == "data":
            log.append(data(offset, producer, transactional=True))
            open_since.setdefault(producer, offset)
            members.setdefault(producer, []).append(offset)
        else:
            log.append(marker(offset, producer, Marker.COMMIT if kind == "commit" else Marker.ABORT))
            first, inside = open_since.pop(producer, None), members.pop(producer, [])
            if kind == "commit":
                kept.update(inside)
            elif first is not None:
                aborted.append(Aborted(producer, first))
        offset = log[-1].header.next_offset
    stable = min(open_since.values(), default=offset)  # a broker sends nothing from an open transaction on
    visible = [batch for batch in log if batch.header.base_offset < stable]
    relevant = [a for a in aborted if a.first_offset < stable]
    assert offsets(visible, relevant) == sorted(o for o in kept if o < stable)
