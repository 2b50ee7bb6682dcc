"""What the admin calls take and give back. Every answer about an item has its own `error`; None means done.

`KafkaError` in an `error` field has a `code` and a sentence; a broker that could not be asked leaves `Unreachable`,
`ConnectionLost` or `RequestTimedOut` there, so that one dead broker is a marked gap and not the end of the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from kq.client.metadata import Broker
from kq.errors import KafkaError

TopicPartition = tuple[str, int]

NOTHING: Mapping[Any, Any] = MappingProxyType({})

EARLIEST = -2  # positions for list_offsets, instead of a timestamp in ms
LATEST = -1  # the high watermark; the last stable offset under read_committed
MAX_TIMESTAMP = -3  # the record with the highest timestamp
EARLIEST_LOCAL = -4
LATEST_TIERED = -5


# -- topics ------------------------------------------------------------------------------------------------------------


class NewTopic(NamedTuple):
    """A topic to create. Either a partition count and replication factor (-1: the broker's default) or
    `assignments`."""

    name: str
    partitions: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, Sequence[int]] | None = None  # partition -> node ids, the first is the preferred leader
    configs: Mapping[str, str] = NOTHING


class CreatedTopic(NamedTuple):
    name: str
    id: bytes = bytes(16)
    partitions: int = -1  # -1: the broker does not say
    replication_factor: int = -1
    configs: tuple[ConfigEntry, ...] = ()
    error: KafkaError | None = None


class NewPartitions(NamedTuple):
    """The new total of a topic's partitions; `assignments` may name the replicas of the added ones, in order."""

    total: int
    assignments: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class PartitionDescription:
    index: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    offline: tuple[int, ...]
    eligible_leaders: tuple[int, ...] | None = None  # KIP-966; None: the cluster does not say
    last_known_leaders: tuple[int, ...] | None = None
    error: KafkaError | None = None


class TopicDescription(NamedTuple):
    name: str
    id: bytes = bytes(16)
    internal: bool = False
    partitions: tuple[PartitionDescription, ...] = ()
    authorized_operations: frozenset[int] | None = None
    error: KafkaError | None = None


# -- settings ----------------------------------------------------------------------------------------------------------


class ResourceType(IntEnum):
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class Resource(NamedTuple):
    """Whose settings: a topic, a broker by node id, or all brokers (BROKER with the name "")."""

    type: ResourceType
    name: str

    @classmethod
    def topic(cls, name: str) -> Resource:
        return cls(ResourceType.TOPIC, name)

    @classmethod
    def broker(cls, node_id: int | None = None) -> Resource:
        return cls(ResourceType.BROKER, "" if node_id is None else str(node_id))


class ConfigSource(IntEnum):
    UNKNOWN = 0
    TOPIC = 1
    BROKER = 2  # set on this broker while it runs
    CLUSTER = 3  # set for all brokers while they run
    STATIC = 4  # the broker's file or command line
    DEFAULT = 5
    BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


class ConfigType(IntEnum):
    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigSynonym(NamedTuple):
    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(NamedTuple):
    name: str
    value: str | None  # None: sensitive, or unset
    source: ConfigSource = ConfigSource.UNKNOWN
    type: ConfigType = ConfigType.UNKNOWN
    read_only: bool = False
    sensitive: bool = False
    synonyms: tuple[ConfigSynonym, ...] = ()  # in order of precedence, the one in force first
    documentation: str | None = None

    @property
    def is_default(self) -> bool:
        return self.source == ConfigSource.DEFAULT


class ResourceConfig(NamedTuple):
    resource: Resource
    entries: Mapping[str, ConfigEntry] = NOTHING
    error: KafkaError | None = None


class AlterOp(IntEnum):
    SET = 0
    DELETE = 1  # back to what is inherited
    APPEND = 2  # to a list
    SUBTRACT = 3


class ConfigChange(NamedTuple):
    name: str
    value: str | None
    op: AlterOp = AlterOp.SET


# -- offsets -----------------------------------------------------------------------------------------------------------


class ListedOffset(NamedTuple):
    offset: int = -1  # -1: no such record
    timestamp_ms: int = -1
    leader_epoch: int = -1
    error: KafkaError | None = None


class DeletedRecords(NamedTuple):
    log_start_offset: int = -1  # the new one
    error: KafkaError | None = None


class EpochEnd(NamedTuple):
    leader_epoch: int = -1  # the highest epoch that is not above the one asked for
    end_offset: int = -1  # where it ends
    error: KafkaError | None = None


class ProducerState(NamedTuple):
    producer_id: int
    epoch: int
    last_sequence: int
    last_timestamp_ms: int
    coordinator_epoch: int
    transaction_start_offset: int  # -1: no open transaction


class PartitionProducers(NamedTuple):
    producers: tuple[ProducerState, ...] = ()
    error: KafkaError | None = None


# -- brokers -----------------------------------------------------------------------------------------------------------


class ClusterDescription(NamedTuple):
    cluster_id: str | None
    controller_id: int
    brokers: Mapping[int, Broker]
    authorized_operations: frozenset[int] | None = None


class ReplicaSize(NamedTuple):
    size_bytes: int
    lag: int  # records it stands behind; of a future replica, behind the current one
    is_future: bool  # being moved into this directory


class LogDir(NamedTuple):
    path: str
    replicas: Mapping[TopicPartition, ReplicaSize]
    total_bytes: int | None = None  # of the volume; None: the broker does not say
    usable_bytes: int | None = None
    cordoned: bool = False
    error: KafkaError | None = None


class BrokerLogDirs(NamedTuple):
    node_id: int
    dirs: tuple[LogDir, ...] = ()
    error: KafkaError | None = None  # the broker did not answer


class ApiRange(NamedTuple):
    key: int
    min_version: int
    max_version: int


class BrokerApiVersions(NamedTuple):
    node_id: int
    apis: Mapping[int, ApiRange] = NOTHING  # by API key
    features: Mapping[str, tuple[int, int]] = NOTHING  # supported: lowest and highest level
    finalized: Mapping[str, tuple[int, int]] = NOTHING
    error: KafkaError | None = None
