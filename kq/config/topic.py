"""The topic settings of Kafka 4.3.1: all 33, and `internal.segment.bytes` for segments below 1 MiB.

Names, types, defaults, ranges and broker synonyms are Kafka's (`LogConfig`, `ServerTopicConfigSynonyms`), the
sentences are ours. Rows with `honoured=False` are accepted, kept and reported, and change nothing: they are about
replication throttles, preallocation and tiered storage.
"""

from __future__ import annotations

from kq.config.table import ConfigTable, Setting, Type
from kq.config.valid import ListOf, OneOf, OnlyFalse, Range, Replicas, Valid, Value

LONG_MAX = (1 << 63) - 1
"""Kafka's "never" for times and counts."""

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def _setting(
    name: str,
    kind: Type,
    default: Value,
    valid: Valid | None,
    synonyms: str,
    doc: str,
    *,
    internal: bool = False,
    honoured: bool = True,
) -> Setting:
    pairs = tuple((word, _FACTORS.get(word.rpartition(".")[2])) for word in synonyms.split())
    return Setting(name, kind, default, doc, valid, internal=internal, honoured=honoured, synonyms=pairs)


_FACTORS = {"hours": HOUR_MS, "minutes": MINUTE_MS}


def _rows() -> list[Setting]:
    return [
        _setting(
            "cleanup.policy",
            Type.LIST,
            ("delete",),
            ListOf(("compact", "delete")),
            "log.cleanup.policy",
            "What happens to old segments: delete drops them by retention time and size, compact keeps the last record "
            "of each key, both together do both, and an empty list keeps everything.",
        ),
        _setting(
            "compression.gzip.level",
            Type.INT,
            -1,
            Range(1, 9, also=-1),
            "compression.gzip.level",
            "The level used where compression.type makes the broker compress with gzip; -1 is the codec's own default.",
        ),
        _setting(
            "compression.lz4.level",
            Type.INT,
            9,
            Range(1, 17),
            "compression.lz4.level",
            "The level used where compression.type makes the broker compress with lz4.",
        ),
        _setting(
            "compression.type",
            Type.STRING,
            "producer",
            OneOf(("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")),
            "compression.type",
            "The compression batches are stored with: producer keeps what the producer chose and never touches the "
            "records; any other value makes the broker compress again batches that came differently.",
        ),
        _setting(
            "compression.zstd.level",
            Type.INT,
            3,
            Range(-131072, 22),
            "compression.zstd.level",
            "The level used where compression.type makes the broker compress with zstd.",
        ),
        _setting(
            "delete.retention.ms",
            Type.LONG,
            24 * HOUR_MS,
            Range(0),
            "log.cleaner.delete.retention.ms",
            "How long a compacted topic keeps tombstones and transaction markers after the first cleaning saw them, "
            "so that a reader that started before has the time to meet them.",
        ),
        _setting(
            "file.delete.delay.ms",
            Type.LONG,
            MINUTE_MS,
            Range(0),
            "log.segment.delete.delay.ms",
            "How long the files of a removed segment stay on disk, so that reads that have begun can end.",
        ),
        _setting(
            "flush.messages",
            Type.LONG,
            LONG_MAX,
            Range(1),
            "log.flush.interval.messages",
            "After how many records the log is forced to disk. 1 forces it before the producer is answered, which "
            "survives a power cut; the default leaves the moment to the operating system.",
        ),
        _setting(
            "flush.ms",
            Type.LONG,
            LONG_MAX,
            Range(0),
            "log.flush.interval.ms log.flush.scheduler.interval.ms",
            "After how long at most records are forced to disk; the default leaves the moment to the operating system.",
        ),
        _setting(
            "follower.replication.throttled.replicas",
            Type.LIST,
            (),
            Replicas(),
            "",
            "The replicas whose fetching is throttled while partitions move between brokers.",
            honoured=False,
        ),
        _setting(
            "index.interval.bytes",
            Type.INT,
            4096,
            Range(0),
            "log.index.interval.bytes",
            "How many bytes of log lie between two entries of the offset index: fewer find a record with less "
            "reading, more make the index smaller.",
        ),
        _setting(
            "internal.segment.bytes",
            Type.INT,
            None,
            None,
            "",
            "A segment size below the minimum of segment.bytes, for tests; it takes precedence where it is set.",
            internal=True,
        ),
        _setting(
            "leader.replication.throttled.replicas",
            Type.LIST,
            (),
            Replicas(),
            "",
            "The replicas whose serving to followers is throttled while partitions move between brokers.",
            honoured=False,
        ),
        _setting(
            "local.retention.bytes",
            Type.LONG,
            -2,
            Range(-2),
            "log.local.retention.bytes",
            "How many bytes stay local once older segments are in tiered storage; -2 is the same as retention.bytes.",
            honoured=False,
        ),
        _setting(
            "local.retention.ms",
            Type.LONG,
            -2,
            Range(-2),
            "log.local.retention.ms",
            "How long segments stay local once they are in tiered storage too; -2 is the same as retention.ms.",
            honoured=False,
        ),
        _setting(
            "max.compaction.lag.ms",
            Type.LONG,
            LONG_MAX,
            Range(1),
            "log.cleaner.max.compaction.lag.ms",
            "After how long at the latest a record of a compacted topic is looked at by the cleaner.",
        ),
        _setting(
            "max.message.bytes",
            Type.INT,
            1_048_588,
            Range(0),
            "message.max.bytes",
            "The largest record batch that is taken, after compression, in bytes.",
        ),
        _setting(
            "message.timestamp.after.max.ms",
            Type.LONG,
            HOUR_MS,
            Range(0),
            "log.message.timestamp.after.max.ms",
            "How far a record's timestamp may lie ahead of the broker's clock; LogAppendTime does not ask.",
        ),
        _setting(
            "message.timestamp.before.max.ms",
            Type.LONG,
            LONG_MAX,
            Range(0),
            "log.message.timestamp.before.max.ms",
            "How far a record's timestamp may lie behind the broker's clock; LogAppendTime does not ask.",
        ),
        _setting(
            "message.timestamp.type",
            Type.STRING,
            "CreateTime",
            OneOf(("CreateTime", "LogAppendTime")),
            "log.message.timestamp.type",
            "Whose clock gives a record its timestamp: the producer's (CreateTime) or the broker's (LogAppendTime).",
        ),
        _setting(
            "min.cleanable.dirty.ratio",
            Type.DOUBLE,
            0.5,
            Range(0, 1),
            "log.cleaner.min.cleanable.ratio",
            "What share of a compacted log has to be uncleaned before the cleaner takes it up.",
        ),
        _setting(
            "min.compaction.lag.ms",
            Type.LONG,
            0,
            Range(0),
            "log.cleaner.min.compaction.lag.ms",
            "How long a record of a compacted topic is left alone by the cleaner.",
        ),
        _setting(
            "min.insync.replicas",
            Type.INT,
            1,
            Range(1),
            "min.insync.replicas",
            "How many replicas have to be in sync for a write with acks=all to be taken, and to count as committed.",
        ),
        _setting(
            "preallocate",
            Type.BOOLEAN,
            False,
            None,
            "log.preallocate",
            "Whether the file of a new segment is given its full size at once; kq lets files grow.",
            honoured=False,
        ),
        _setting(
            "remote.log.copy.disable",
            Type.BOOLEAN,
            False,
            None,
            "",
            "Whether tiered storage has become read-only for the topic.",
            honoured=False,
        ),
        _setting(
            "remote.log.delete.on.disable",
            Type.BOOLEAN,
            False,
            None,
            "",
            "Whether what is in tiered storage is deleted when it is switched off for the topic.",
            honoured=False,
        ),
        _setting(
            "remote.storage.enable",
            Type.BOOLEAN,
            False,
            OnlyFalse("tiered storage"),
            "",
            "Whether old segments of the topic move to tiered storage; kq has none and refuses true.",
            honoured=False,
        ),
        _setting(
            "retention.bytes",
            Type.LONG,
            -1,
            None,
            "log.retention.bytes",
            "How many bytes a partition keeps before its oldest segments are deleted; a negative number has no limit.",
        ),
        _setting(
            "retention.ms",
            Type.LONG,
            168 * HOUR_MS,
            Range(-1),
            "log.retention.ms log.retention.minutes log.retention.hours",
            "How long a partition keeps records before their segments are deleted; -1 has no limit.",
        ),
        _setting(
            "segment.bytes",
            Type.INT,
            1 << 30,
            Range(1 << 20),
            "log.segment.bytes",
            "The size at which the log begins a new file. Retention and cleaning work on whole files.",
        ),
        _setting(
            "segment.index.bytes",
            Type.INT,
            10 << 20,
            Range(4),
            "log.index.size.max.bytes",
            "The size an index file may reach before the log begins a new segment.",
        ),
        _setting(
            "segment.jitter.ms",
            Type.LONG,
            0,
            Range(0),
            "log.roll.jitter.ms log.roll.jitter.hours",
            "The most by which segment.ms is shortened at random, so that segments do not all end together.",
        ),
        _setting(
            "segment.ms",
            Type.LONG,
            168 * HOUR_MS,
            Range(1),
            "log.roll.ms log.roll.hours",
            "The age at which the log begins a new file even when the current one is not full.",
        ),
        _setting(
            "unclean.leader.election.enable",
            Type.BOOLEAN,
            False,
            None,
            "unclean.leader.election.enable",
            "Whether a replica that is not in sync may become leader when no other is left: the partition comes "
            "back, acknowledged records may be lost.",
        ),
    ]


TOPIC = ConfigTable("topic", _rows)
