"""kq's Kafka client: one asyncio stack for the commands, the console and replication.

    from kq.client import Admin, Consumer, GroupConsumer, NewTopic, Producer, connect

    async with connect({"bootstrap.servers": "127.0.0.1:9092"}) as cluster:      # or: cluster = await connect(...)
        admin = Admin(cluster)
        for name, made in (await admin.create_topics([NewTopic("orders", partitions=3)])).items():
            if made.error:
                print(name, made.error)
        async with Producer(cluster) as producer:
            delivered = await producer.send("orders", b"value", key=b"key")      # .partition, .offset, .timestamp_ms
        async with Consumer(cluster) as consumer:
            consumer.assign({("orders", 0): 0})
            for fetched in await consumer.fetch(timeout_ms=1000):                # [] when nothing came in that time
                print(fetched.topic, fetched.partition, fetched.values())
        async with GroupConsumer(cluster, "billing", ["orders"]) as consumer:   # shares them with others of its name
            for fetched in await consumer.fetch(timeout_ms=1000):                # committed from time to time
                print(fetched.topic, fetched.partition, fetched.values())

Cluster   metadata(topics=None, max_age_ms=None) -> ClusterMetadata; request(api, body, node=None, version=None);
          settings; close()
Admin     create_topics([NewTopic]) -> {name: CreatedTopic}; delete_topics(names) -> {name: error};
          create_partitions({name: NewPartitions}) -> {name: error}; describe_topics(names) -> {name: TopicDescription};
          describe_configs([Resource], names=None, documentation=False) -> {Resource: ResourceConfig};
          alter_configs({Resource: [ConfigChange]}) -> {Resource: error}; replace_configs({Resource: {name: value}});
          delete_records({tp: offset}) -> {tp: DeletedRecords}; list_offsets({tp: place or ms}) -> {tp: ListedOffset};
          replica_ends([tp]) -> {tp: {node: ListedOffset}}; epoch_ends({tp: epoch}) -> {tp: EpochEnd};
          describe_producers([tp]) -> {tp: PartitionProducers}; describe_cluster() -> ClusterDescription;
          describe_log_dirs(nodes=None, partitions=None) -> {node: BrokerLogDirs};
          api_versions(nodes=None) -> {node: BrokerApiVersions}.     create_*, alter_*, replace_*: validate_only=False
          list_groups(states=(), types=()) -> GroupListings; describe_groups(ids) -> {id: GroupDescription};
          find_coordinator(id) -> node; group_offsets(id, tps=None, require_stable=False) -> {tp: GroupOffset};
          alter_group_offsets(id, {tp: GroupOffset}), delete_group_offsets(id, tps) -> {tp: error};
          delete_groups(ids) -> {id: error}; remove_members(id, [LeavingMember]) -> {LeavingMember: error}
Producer  send(topic, value, key=None, headers=(), partition=None, timestamp_ms=None) -> Sent, `await sent` -> Delivered
          await send_values(topic, [bytes]) -> Accepted;  await send_columns(topic, values, keys=None, headers=None,
          timestamps_ms=None, partition=None) -> Accepted: many records at a time, waits while buffer.memory is full.
          Accepted.slices: [Slice]; `await slice` -> Delivered of its first record; slice.rows: which of the call's;
          Accepted.rejected: [(row, KafkaError)], those too large.
          flush(); close(); room(); records_acked, records_failed, bytes_acked; first_error
Consumer  assign({tp: offset | EARLIEST | LATEST}, stops={tp: offset}); fetch(timeout_ms=None) -> [Fetched];
          seek(tp, offset), pause(tps), resume(tps), position(tp), watermarks(tp) -> Watermarks(start, stable, high),
          end_offsets(tps); finished: every partition with a stop has reached it; trouble: why nothing comes just now
GroupConsumer(cluster, group_id, topics or pattern, on_assigned=None, on_revoked=None, on_lost=None, stops=None)
          a Consumer whose partitions the group shares out: fetch(timeout_ms=None) -> [Fetched]; assignment, generation,
          member_id; await commit({tp: offset or GroupOffset} or None); commit_soon(...); committed(tps);
          close(leave=None); seek, pause, resume, position, watermarks, end_offsets, finished, trouble as above
Fetched   topic, partition, error, first_offset, next_offset, size_bytes, batches; values() -> [bytes | None];
          joined(delimiter) -> (bytes, count); columns() -> Columns; records() -> [Record]

Rules it keeps:
- It runs on one event loop (plain asyncio or uvloop) and owns no thread. Nothing here may be called from another one.
- Partitions are named by the pair (topic, partition), `tp` above. Offsets and sizes are ints, times are Unix times
  in milliseconds.
- Every failure is a `KafkaError` with a clear sentence. A call about many items carries an error beside each item
  (`error: KafkaError | None`) and raises only when nothing at all could be asked.
- Topics are never created by asking about them, unless `allow.auto.create.topics=true` is given.
- Settings go by Kafka's names (`settings.py` has the table); an unknown one is INVALID_CONFIG naming the nearest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kq.client.admin.calls import Admin
    from kq.client.admin.group_types import (
        GroupDescription,
        GroupListing,
        GroupListings,
        GroupMember,
        GroupOffset,
        LeavingMember,
    )
    from kq.client.admin.types import (
        EARLIEST,
        LATEST,
        MAX_TIMESTAMP,
        AlterOp,
        ApiRange,
        BrokerApiVersions,
        BrokerLogDirs,
        ClusterDescription,
        ConfigChange,
        ConfigEntry,
        ConfigSource,
        ConfigSynonym,
        ConfigType,
        CreatedTopic,
        DeletedRecords,
        EpochEnd,
        ListedOffset,
        LogDir,
        NewPartitions,
        NewTopic,
        PartitionDescription,
        PartitionProducers,
        ProducerState,
        ReplicaSize,
        Resource,
        ResourceConfig,
        ResourceType,
        TopicDescription,
        TopicPartition,
    )
    from kq.client.cluster import Cluster, connect
    from kq.client.consumer import Consumer
    from kq.client.delivery import Accepted, Delivered, NoPartition, RecordTooLarge, Sent, Slice
    from kq.client.errors import AuthenticationFailed, ConnectionLost, RequestTimedOut, Unreachable, UnsupportedRequest
    from kq.client.fetched import Fetched
    from kq.client.group.consumer import GroupConsumer
    from kq.client.metadata import Broker, ClusterMetadata, Partition, Topic
    from kq.client.producer import Producer
    from kq.client.reading import Watermarks
    from kq.client.settings import SETTINGS, ClientSettings, parse_settings
    from kq.errors import Err, KafkaError

# Loaded when first asked for: a command that lists topics has no use for producers and consumers.
_HOME = {
    "kq.client.admin.calls": "Admin",
    "kq.client.admin.group_types": (
        "GroupDescription GroupListing GroupListings GroupMember GroupOffset LeavingMember"
    ),
    "kq.client.admin.types": (
        "EARLIEST LATEST MAX_TIMESTAMP AlterOp ApiRange BrokerApiVersions BrokerLogDirs ClusterDescription "
        "ConfigChange ConfigEntry ConfigSource ConfigSynonym ConfigType CreatedTopic DeletedRecords EpochEnd "
        "ListedOffset LogDir NewPartitions NewTopic PartitionDescription PartitionProducers ProducerState "
        "ReplicaSize Resource ResourceConfig ResourceType TopicDescription TopicPartition"
    ),
    "kq.client.cluster": "Cluster connect",
    "kq.client.consumer": "Consumer",
    "kq.client.delivery": "Accepted Delivered NoPartition RecordTooLarge Sent Slice",
    "kq.client.errors": "AuthenticationFailed ConnectionLost RequestTimedOut Unreachable UnsupportedRequest",
    "kq.client.fetched": "Fetched",
    "kq.client.group.consumer": "GroupConsumer",
    "kq.client.metadata": "Broker ClusterMetadata Partition Topic",
    "kq.client.producer": "Producer",
    "kq.client.reading": "Watermarks",
    "kq.client.settings": "SETTINGS ClientSettings parse_settings",
    "kq.errors": "Err KafkaError",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'kq.client' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


__all__ = [
    "EARLIEST",
    "LATEST",
    "MAX_TIMESTAMP",
    "SETTINGS",
    "Accepted",
    "Admin",
    "AlterOp",
    "ApiRange",
    "AuthenticationFailed",
    "Broker",
    "BrokerApiVersions",
    "BrokerLogDirs",
    "ClientSettings",
    "Cluster",
    "ClusterDescription",
    "ClusterMetadata",
    "ConfigChange",
    "ConfigEntry",
    "ConfigSource",
    "ConfigSynonym",
    "ConfigType",
    "ConnectionLost",
    "Consumer",
    "CreatedTopic",
    "DeletedRecords",
    "Delivered",
    "EpochEnd",
    "Err",
    "Fetched",
    "GroupConsumer",
    "GroupDescription",
    "GroupListing",
    "GroupListings",
    "GroupMember",
    "GroupOffset",
    "KafkaError",
    "LeavingMember",
    "ListedOffset",
    "LogDir",
    "NewPartitions",
    "NewTopic",
    "NoPartition",
    "Partition",
    "PartitionDescription",
    "PartitionProducers",
    "Producer",
    "ProducerState",
    "RecordTooLarge",
    "ReplicaSize",
    "RequestTimedOut",
    "Resource",
    "ResourceConfig",
    "ResourceType",
    "Sent",
    "Slice",
    "Topic",
    "TopicDescription",
    "TopicPartition",
    "Unreachable",
    "UnsupportedRequest",
    "Watermarks",
    "connect",
    "parse_settings",
]
