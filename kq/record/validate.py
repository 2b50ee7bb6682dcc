"""What the broker asks of a batch that a producer sends, and the few changes it makes to one.

`check_produced` looks at the header and the checksum only, in constant time but for the CRC. The codes are those that
Apache Kafka 4.3.1 answers; where it would answer nothing (null records) or -1, kq answers INVALID_RECORD.
`check_records` walks the records, for compacted topics and for `kq.produce.validate.records=true`.

A batch is stored as it came, with these exceptions, each of which makes a new CRC: attribute bits that are not a
producer's to set are cleared, LogAppendTime stamps the header, another `compression.type` packs the records anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from kq.errors import Err, KafkaError
from kq.record import compression
from kq.record.batch import (
    CODEC_MASK,
    HEADER_SIZE,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    NO_TIMESTAMP,
    TRANSACTIONAL,
    BatchHeader,
    Writable,
    assemble,
    crc_ok,
    iter_records,
    parse_header,
    records_section,
    restamp,
)
from kq.record.columns import iter_columns
from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

MOST_RECORD_ERRORS = 100  # named in one answer. Kafka names all: ten times the bytes that came
_MAGIC_AT = 16
_MIN_LENGTH = 14  # of a message of magic 0: anything shorter is no message of any format
_INT64 = range(-(2**63), 2**63)
_PRODUCER_BITS = CODEC_MASK | TRANSACTIONAL


class RecordsRefused(KafkaError):
    """A refusal that can name the records: `record_errors` is a list of (index in the batch, sentence)."""

    def __init__(self, code: Err, message: str, record_errors: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(code, message)
        self.record_errors = tuple(record_errors)


def check_produced(
    data: memoryview | None,
    *,
    max_message_bytes: int,
    now_ms: int,
    before_max_ms: int,
    after_max_ms: int,
    log_append_time: bool = False,
) -> BatchHeader:
    """The header of the one batch in `data`, if a producer may send it. `before_max_ms`, `after_max_ms`: how far its
    timestamps may lie from now; not asked where the broker sets them (`log_append_time`)."""
    if data is None:
        raise KafkaError(Err.INVALID_RECORD, "The partition came without records.")
    size = _whole_size(data, 0)
    if size is None:
        raise KafkaError(Err.INVALID_RECORD, "The partition came without one whole record batch.")
    magic = data[_MAGIC_AT]
    if magic != MAGIC:
        raise KafkaError(Err.INVALID_RECORD, f"Batches of magic {magic} are not accepted, only of magic {MAGIC}.")
    if size < len(data):
        _whole_size(data, size)  # garbage is damage, another batch is bad manners
        raise KafkaError(Err.INVALID_RECORD, "A partition takes exactly one record batch a request.")
    if size < HEADER_SIZE:
        raise CorruptRecord(f"A batch of {size} bytes has no room for its header.")
    header = parse_header(data)
    if header.base_offset != 0:
        raise KafkaError(Err.INVALID_RECORD, f"A produced batch starts at offset 0, not {header.base_offset}.")
    if size > max_message_bytes:
        raise KafkaError(
            Err.MESSAGE_TOO_LARGE, f"The batch has {size} bytes; max.message.bytes allows {max_message_bytes}."
        )
    if not crc_ok(data, 0, size):
        raise CorruptRecord("The batch does not match its checksum.")
    _check_fields(header)
    if not log_append_time:
        for timestamp in (header.base_timestamp, header.max_timestamp):
            if not _in_time(timestamp, now_ms, before_max_ms, after_max_ms):
                raise KafkaError(Err.INVALID_TIMESTAMP, _out_of_time(timestamp, now_ms))
    return header


def _whole_size(data: memoryview, pos: int) -> int | None:
    """Bytes of the batch at `pos`, None where it is not all there; raises for what cannot be a batch at all."""
    left = len(data) - pos
    if left < LOG_OVERHEAD:
        return None
    length = int.from_bytes(data[pos + 8 : pos + 12], "big", signed=True)
    if length < _MIN_LENGTH:
        raise CorruptRecord(f"A batch length of {length} is too short for any record.")
    if left <= _MAGIC_AT:
        return None
    magic = data[pos + _MAGIC_AT]
    if magic > MAGIC:
        raise CorruptRecord(f"There is no magic {magic}.")
    size = length + LOG_OVERHEAD
    return size if size <= left else None


def _check_fields(header: BatchHeader) -> None:
    count = header.record_count
    if count <= 0 or count != header.last_offset_delta + 1:
        raise KafkaError(
            Err.INVALID_RECORD,
            f"The batch says it has {count} records, and {header.last_offset_delta} as its last offset delta.",
        )
    if header.is_control:
        raise KafkaError(Err.INVALID_RECORD, "Clients may not write control batches.")
    if header.producer_id != NO_PRODUCER_ID and header.base_sequence < 0:
        raise KafkaError(
            Err.INVALID_RECORD, f"Producer {header.producer_id} sent the sequence number {header.base_sequence}."
        )
    if header.codec >= len(compression.NAMES):
        raise KafkaError(Err.INVALID_RECORD, f"There is no compression {header.codec}.")


def _in_time(timestamp: int, now_ms: int, before_max_ms: int, after_max_ms: int) -> bool:
    return timestamp == NO_TIMESTAMP or now_ms - before_max_ms <= timestamp <= now_ms + after_max_ms


def _out_of_time(timestamp: int, now_ms: int) -> str:
    return f"The timestamp {timestamp} is too far from the broker's clock, {now_ms}."


def check_codec(header: BatchHeader, produce_version: int) -> None:
    """zstd came with Produce 7: a client that speaks an older version could not read back what it writes."""
    if header.codec == compression.ZSTD and produce_version < 7:
        raise KafkaError(Err.UNSUPPORTED_COMPRESSION_TYPE, f"Produce {produce_version} does not know zstd.")


def timestamp_errors(
    data: Readable, *, now_ms: int, before_max_ms: int, after_max_ms: int, limit: int
) -> list[tuple[int, str]]:
    """Which records made `check_produced` answer INVALID_TIMESTAMP. It decompresses: not for the event loop."""
    out_of_time = (
        (index, _out_of_time(record.timestamp, now_ms))
        for index, record in enumerate(iter_records(data, limit=limit))
        if not _in_time(record.timestamp, now_ms, before_max_ms, after_max_ms)
    )
    return list(islice(out_of_time, MOST_RECORD_ERRORS))


def with_producer_bits(batch: Writable, header: BatchHeader) -> BatchHeader:
    """Clears in place the attribute bits that are not a producer's to set, as Kafka does without a word."""
    if header.attributes & ~_PRODUCER_BITS == 0:
        return header
    return restamp(batch, header.attributes & _PRODUCER_BITS, header.max_timestamp)


def with_log_append_time(batch: Writable, now_ms: int) -> BatchHeader:
    """Stamps the batch in place with the broker's time, which then counts for all its records."""
    attributes = parse_header(batch).attributes & _PRODUCER_BITS
    return restamp(batch, attributes | LOG_APPEND_TIME, now_ms)


def check_records(batch: Writable, header: BatchHeader, *, need_keys: bool, limit: int) -> BatchHeader:
    """Walks the records: well-formed, as many as the header says, offsets without gaps, with keys where the topic is
    compacted. A max timestamp that is not theirs is put right in place. It decompresses: not for the event loop."""
    max_timestamp = _walk(batch, header, need_keys=need_keys, limit=limit)
    if max_timestamp == header.max_timestamp:
        return header
    return restamp(batch, header.attributes, max_timestamp)


def recompressed(
    batch: Readable, header: BatchHeader, codec: int, level: int | None, limit: int, *, need_keys: bool = False
) -> bytearray:
    """The same batch with its records under another codec (`compression.type`), after the walk of `check_records`.
    It can be larger than what came: the caller asks `max.message.bytes` again."""
    max_timestamp = _walk(batch, header, need_keys=need_keys, limit=limit)
    section = compression.compress(codec, records_section(batch, header, limit=limit), level)
    attributes = header.attributes & ~CODEC_MASK | codec
    return assemble(header._replace(attributes=attributes, max_timestamp=max_timestamp), [section])


def _walk(batch: Readable, header: BatchHeader, *, need_keys: bool, limit: int) -> int:
    """The greatest timestamp of the records, if nothing is wrong with them."""
    seen = 0
    latest = _INT64.start
    bare: list[int] = []
    try:
        for columns in iter_columns(batch, limit=limit):
            expected = header.base_offset + seen
            count = len(columns.offsets)
            if columns.offsets != list(range(expected, expected + count)):
                raise CorruptRecord("The records of the batch are not numbered one by one.")
            latest = max(latest, max(columns.timestamps))
            if need_keys and None in columns.keys and len(bare) < MOST_RECORD_ERRORS:
                bare += [seen + index for index, key in enumerate(columns.keys) if key is None]
            seen += count
    except CorruptRecord as fault:
        raise KafkaError(Err.INVALID_RECORD, str(fault)) from fault
    if bare:
        sentence = "A compacted topic takes no record without a key."
        raise RecordsRefused(Err.INVALID_RECORD, sentence, [(index, sentence) for index in bare[:MOST_RECORD_ERRORS]])
    if latest not in _INT64:
        raise KafkaError(Err.INVALID_RECORD, f"A timestamp of {latest} does not fit into 64 bits.")
    return latest
