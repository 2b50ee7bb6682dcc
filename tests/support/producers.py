"""Headers of batches as producers send them, for tests of what a partition knows of its producers."""

from __future__ import annotations

from kq.engine.producers import ProducerStates
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader
from kq.record.control import EndOfTransaction, Marker

MAX = 2**31 - 1
TRANSACTIONAL, CONTROL = 16, 32
COMMIT, ABORT = EndOfTransaction(Marker.COMMIT, 0), EndOfTransaction(Marker.ABORT, 0)


def batch(
    producer_id: int, sequence: int, count: int = 1, *, epoch: int = 0, timestamp: int = 1000, attributes: int = 0
) -> BatchHeader:
    return BatchHeader(
        base_offset=0,
        length=100,
        leader_epoch=0,
        magic=2,
        crc=0,
        attributes=attributes,
        last_offset_delta=count - 1,
        base_timestamp=timestamp,
        max_timestamp=timestamp,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        record_count=count,
    )


def marker(producer_id: int, *, epoch: int = 0, timestamp: int = 2000) -> BatchHeader:
    return batch(producer_id, -1, epoch=epoch, timestamp=timestamp, attributes=TRANSACTIONAL | CONTROL)


def refused(states: ProducerStates, header: BatchHeader) -> Err | None:
    try:
        states.check(header)
    except KafkaError as error:
        return error.code
    return None


def appended(*headers: BatchHeader) -> ProducerStates:
    """The state after these data batches, one behind the other from offset 0 on."""
    states, offset = ProducerStates(), 0
    for header in headers:
        assert states.check(header) is None
        states.update(header, offset, now_ms=0)
        offset += header.record_count
    return states
