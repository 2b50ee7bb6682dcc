"""The broker settings that have an effect in kq, in our own words, and where kq's default or mode is not Kafka's.

Two more groups have an effect and are not written out here: the broker synonyms of topic settings (their text is made
from the topic setting's), and the settings under `kq.`, which no Kafka knows.
"""

from __future__ import annotations

from kq.config.table import Importance, Mode, Setting, Type
from kq.config.valid import Range, Value

DOCS = {
    "advertised.listeners": "The addresses clients are told to connect to; without it the listeners themselves.",
    "auto.create.topics.enable": "Whether a topic is made when a client asks for one that does not exist.",
    "broker.id": "The older name of node.id.",
    "broker.rack": "Where the broker stands; told to clients, which may prefer replicas near them.",
    "connections.max.idle.ms": "How long a connection may be silent before the broker closes it; negative is for ever.",
    "default.replication.factor": "How many replicas a topic gets whose creator does not say.",
    "delete.topic.enable": "Whether topics can be deleted.",
    "fetch.max.bytes": "The most bytes one answer to a fetch carries, whatever the client asks for.",
    "group.consumer.assignment.interval.ms": "The least time between two assignments of one group of the new protocol.",
    "group.consumer.assignors": "The assignors that groups of the new protocol may ask for, the default one first.",
    "group.consumer.heartbeat.interval.ms": "How often a member of the new protocol sends a heartbeat.",
    "group.consumer.max.assignment.interval.ms": "The largest assignment interval that a group may set for itself.",
    "group.consumer.max.heartbeat.interval.ms": "The largest heartbeat interval that a group may set for itself.",
    "group.consumer.max.session.timeout.ms": "The largest session timeout that a group of the new protocol may set.",
    "group.consumer.max.size": "How many members a group of the new protocol may have.",
    "group.consumer.migration.policy": "Which groups may change protocols while they run.",
    "group.consumer.min.assignment.interval.ms": "The smallest assignment interval that a group may set for itself.",
    "group.consumer.min.heartbeat.interval.ms": "The smallest heartbeat interval that a group may set for itself.",
    "group.consumer.min.session.timeout.ms": "The smallest session timeout that a group of the new protocol may set.",
    "group.consumer.regex.refresh.interval.ms": "How often the topics that a pattern matches are looked for again.",
    "group.consumer.session.timeout.ms": "How long a member of the new protocol may be silent before it is out.",
    "group.initial.rebalance.delay.ms": "How long an empty group waits for more members before its first assignment.",
    "group.max.session.timeout.ms": "The largest session timeout that a member of the classic protocol may ask for.",
    "group.max.size": "How many members a group of the classic protocol may have.",
    "group.min.session.timeout.ms": "The smallest session timeout that a member of the classic protocol may ask for.",
    "listener.security.protocol.map": "Which protocol each listener name speaks; kq's broker speaks PLAINTEXT only.",
    "listeners": "The addresses the broker listens on, as NAME://HOST:PORT; an empty host is every interface.",
    "log.dir": "The data directory, where log.dirs is not set.",
    "log.dirs": "The data directory, unless --data-dir or KQ_DATA_DIR names one; kq keeps everything in one and "
    "refuses a list of several.",
    "log.cleaner.backoff.ms": "How long the log cleaner rests when no compacted log is dirty enough.",
    "log.cleaner.dedupe.buffer.size": "How many bytes the log cleaner may take to remember the last offset of each "
    "key, about 170 and the key itself for each; a log with more keys is compacted in several passes.",
    "log.cleaner.enable": "Whether topics with cleanup.policy=compact are compacted.",
    "log.cleaner.io.max.bytes.per.second": "How many bytes a second the log cleaner reads at most.",
    "log.flush.offset.checkpoint.interval.ms": "How often the recovery points are written down, which "
    "bound the work of a start after a crash.",
    "log.flush.scheduler.interval.ms": "How often the broker looks for logs that flush.ms wants flushed.",
    "log.flush.start.offset.checkpoint.interval.ms": "How often the log start offsets are written down.",
    "log.retention.check.interval.ms": "How often the broker looks for segments that retention lets go.",
    "max.connections": "How many connections the broker holds at a time; further ones are closed at once.",
    "max.connections.per.ip": "How many connections the broker holds from one address at a time.",
    "max.incremental.fetch.session.cache.slots": "How many fetch sessions the broker remembers.",
    "max.request.partition.size.limit": "The most partitions one answer to DescribeTopicPartitions holds.",
    "node.id": "The number of this broker in its cluster.",
    "num.partitions": "How many partitions a topic gets whose creator does not say.",
    "num.recovery.threads.per.data.dir": "How many threads load and recover logs at the start.",
    "offset.metadata.max.bytes": "The longest text that may go with a committed offset.",
    "offsets.retention.check.interval.ms": "How often committed offsets are looked through for those past retention.",
    "offsets.retention.minutes": "How long the offsets of a group without members are kept.",
    "offsets.topic.compression.codec": "The codec of what the broker writes to __consumer_offsets: 0 none, 1 gzip, "
    "2 snappy, 3 lz4, 4 zstd.",
    "offsets.topic.num.partitions": "How many partitions __consumer_offsets is made with.",
    "offsets.topic.replication.factor": "How many replicas __consumer_offsets is made with, where there are so many "
    "brokers.",
    "offsets.topic.segment.bytes": "The segment.bytes that __consumer_offsets is made with.",
    "producer.id.expiration.ms": "How long a partition remembers an idempotent producer that writes no more.",
    "queued.max.request.bytes": "How many bytes of requests may wait for their answers, over all connections, before "
    "the broker reads no more; kq.request.bytes.in.flight is its name where Kafka's default (none) is not wanted.",
    "socket.listen.backlog.size": "How many connections may wait to be accepted.",
    "socket.receive.buffer.bytes": "The receive buffer of a connection; -1 leaves it to the operating system.",
    "socket.request.max.bytes": "The largest request the broker reads; memory grows with the bytes that arrive, not "
    "with the size that is announced.",
    "socket.send.buffer.bytes": "The send buffer of a connection; -1 leaves it to the operating system.",
}

DEFAULTS: dict[str, Value] = {
    # Kafka listens on every interface. kq has no authentication yet, so it starts on loopback.
    "listeners": ("PLAINTEXT://127.0.0.1:9092",),
    # Kafka's /tmp/kafka-logs is emptied by a reboot. Whoever starts kq's broker names a directory (`kq broker start`
    # takes one under XDG_DATA_HOME).
    "log.dir": None,
    # Kafka's scheduler never runs by default, so that a topic's flush.ms does nothing until this is set as well.
    "log.flush.scheduler.interval.ms": 1000,
    # Kafka has no cap: each connection costs memory and a descriptor, and 20,000 descriptors are a common hard limit.
    # Two fifths of it are for connections, two fifths for segment files (kq.max.open.files), the rest is reserve.
    "max.connections": 8192,
    # Kafka demands one; a broker that is alone is number 1, and stays it when it becomes part of a cluster.
    "node.id": 1,
    # Kafka sets 100 KiB for both. The system's own buffers adjust themselves and are faster on loopback and far away.
    "socket.receive.buffer.bytes": -1,
    "socket.send.buffer.bytes": -1,
}

MODES = {
    # Kafka can open and close listeners while it runs, kq cannot.
    "listeners": Mode.READ_ONLY,
    "listener.security.protocol.map": Mode.READ_ONLY,
}


def own_settings() -> list[Setting]:
    """What only kq has."""
    low = Importance.LOW
    return [
        Setting(
            "kq.admin.listener",
            Type.STRING,
            "127.0.0.1:9644",
            "HOST:PORT of /metrics and /v1/status; empty switches them off.",
            mode=Mode.READ_ONLY,
        ),
        Setting(
            "kq.log.fsync.before.ack",
            Type.BOOLEAN,
            False,
            "Whether every write is forced to disk before it is acknowledged, in every topic: an acknowledged record "
            "then survives a power cut. flush.messages=1 gives the same promise to one topic, and "
            "log.flush.interval.messages=1 to every topic that does not set flush.messages.",
            importance=Importance.HIGH,
        ),
        Setting(
            "kq.max.open.files",
            Type.INT,
            8192,
            "How many segment and index files are kept open at a time; others are opened again when they are read.",
            valid=Range(64),
            importance=low,
            mode=Mode.READ_ONLY,
        ),
        Setting(
            "kq.produce.validate.records",
            Type.BOOLEAN,
            False,
            "Whether each record of each batch is walked through before it is written. Without it the checksum and the "
            "header are checked, and a producer that lies about the records in a batch is noticed by consumers.",
        ),
        Setting(
            "kq.request.bytes.in.flight",
            Type.LONG,
            256 << 20,
            "How many bytes of requests may wait for their answers, over all connections, before the broker reads no "
            "more: it bounds memory when many clients send large requests at a time.",
            valid=Range(1 << 20),
        ),
    ]
