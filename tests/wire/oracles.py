"""Two codecs that nobody here wrote: kio and kafka-python, fed with the values of our messages.

Fields are matched by position among those that a version has, and their names are compared after `_OURS`, the list of
names that our tables spell differently: two fields of one type that swapped places would not show in the bytes.
kio only writes here; its native reader aborts the process on hostile bytes, and reads well-formed ones in one test.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import re
from typing import Any
from uuid import UUID

import kafka.protocol.admin
import kafka.protocol.consumer
import kafka.protocol.metadata
import kafka.protocol.producer
import kafka.protocol.sasl
from kio.index import KioIndexError, load_payload_module
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType
from kio.static.primitive import i32Timedelta, i64Timedelta

from kq.wire.message import Message
from kq.wire.schema import Field, Structure
from tests.wire.values import Case, side_of

# Kafka's names where ours differ: a topic is `name`, a partition `index`, lists of them `topics` and `partitions`.
_OURS = {
    "batch_index_error_message": "message",
    "config_resources": "resources",
    "forgotten_topics_data": "forgotten_topics",
    "groups_names": "groups",
    "isr_nodes": "isr",
    "partition": "index",
    "partition_data": "partitions",
    "partition_error_code": "error_code",
    "partition_id": "index",
    "partition_index": "index",
    "partition_indexes": "partitions",
    "partition_responses": "partitions",
    "partition_result": "partitions",
    "replica_election_results": "topics",
    "replica_nodes": "replicas",
    "results_by_partition": "partitions",
    "results_by_topic_v3_and_below": "topics",
    "results_by_transaction": "transactions",
    "topic": "name",
    "topic_data": "topics",
    "topic_name": "name",
    "topic_partitions": "topics",
    "topic_results": "topics",
    "transaction_states": "transactions",
}
# Where one name of Kafka's means different things.
_RESPONSES = {
    "AlterConfigs": "results",
    "IncrementalAlterConfigs": "results",
}
_RESULTS = {
    "AlterReplicaLogDirs": "topics",
    "CreatePartitions": "topics",
    "DeleteGroups": "groups",
    "DescribeLogDirs": "log_dirs",
}
_KIO_ERROR_CODES = {int(code) for code in ErrorCode}


def same_name(api_name: str, field: Field, theirs: str) -> bool:
    theirs = re.sub(r"^v3_and_below_", "", theirs)
    if theirs == "authorized_operations":
        return field.name.endswith(theirs)
    if theirs == "responses":
        return field.name == _RESPONSES.get(api_name, "topics")
    if theirs == "results":
        return field.name == _RESULTS.get(api_name, "results")
    # kio drops the unit of what it turns into a timedelta or a datetime.
    return field.name in (theirs, f"{theirs}_ms", _OURS.get(theirs))


def fields_of(structure: Structure, version: int) -> list[Field]:
    return [field for field in structure.fields if version in field.versions]


# kio: one dataclass a structure and version, fields in the order of Kafka's definitions


def kio_type(case: Case) -> type | None:
    api, side, version = case
    try:
        module = load_payload_module(api.key, version, EntityType[side])
    except KioIndexError:
        return None
    return getattr(module, f"{api.name}{side.capitalize()}", None)


def kio_entity(case: Case, message: Message) -> Any:
    return _to_kio(case, side_of(case[0], case[1]).built[0], message, kio_type(case))


def kio_bytes(case: Case, message: Message) -> bytes:
    entity = kio_entity(case, message)
    out = io.BytesIO()
    entity_writer(type(entity))(out, entity)
    return out.getvalue()


def kio_read(case: Case, data: bytes) -> Any:
    entity, _ = entity_reader(kio_type(case))(data, 0)
    return entity


def _to_kio(case: Case, structure: Structure, message: Message, cls: type | None) -> Any:
    assert cls is not None
    theirs = dataclasses.fields(cls)
    ours = fields_of(structure, case[2])
    names = [(field.name, other.name) for field, other in zip(ours, theirs, strict=True)]
    assert all(same_name(case[0].name, f, t.name) for f, t in zip(ours, theirs, strict=True)), (cls, names)
    values = {}
    for field, other in zip(ours, theirs, strict=True):
        value = getattr(message, field.name)
        if field.tag is not None and value is None and field.struct is not None:
            continue  # an absent tagged structure; kio holds its default
        values[other.name] = _kio_value(case, field, value, other)
    return cls(**values)


def _kio_value(case: Case, field: Field, value: Any, other: dataclasses.Field[Any]) -> Any:
    if value is None:
        return None
    if field.array:
        return tuple(_kio_value(case, field._replace(array=False), item, other) for item in value)
    if field.struct is not None:
        return _to_kio(case, field.struct, value, _entity_in(other.type))
    kind = other.metadata["kafka_type"]
    if kind == "uuid":
        return None if value == bytes(16) and _optional(other.type) else UUID(bytes=value)
    if kind == "error_code":
        return ErrorCode(value)
    if kind == "timedelta_i32":
        return i32Timedelta.parse(datetime.timedelta(milliseconds=value))
    if kind == "timedelta_i64":
        return i64Timedelta.parse(datetime.timedelta(milliseconds=value))
    if kind == "datetime_i64":
        if value == -1:
            return None
        return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
    return value


def _optional(annotation: Any) -> bool:
    return type(None) in getattr(annotation, "__args__", ())


def _entity_in(annotation: Any) -> type:
    """The dataclass inside `X`, `X | None` and `tuple[X, ...] | None`."""
    if dataclasses.is_dataclass(annotation):
        assert isinstance(annotation, type)
        return annotation
    for argument in annotation.__args__:
        if argument not in (type(None), ...):
            return _entity_in(argument)
    raise TypeError(annotation)


# kafka-python: one class an API, with Kafka's definitions inside

_MODULES = (
    kafka.protocol.admin,
    kafka.protocol.consumer,
    kafka.protocol.metadata,
    kafka.protocol.producer,
    kafka.protocol.sasl,
)


def kafka_python_type(case: Case) -> Any:
    api, side, version = case
    for module in _MODULES:
        cls = getattr(module, f"{api.name}{side.capitalize()}", None)
        if cls is not None and cls.valid_versions[0] <= version <= cls.valid_versions[1]:
            return cls
    return None


def kafka_python_bytes(case: Case, message: Message) -> bytes:
    cls = kafka_python_type(case)
    return bytes(_to_kafka_python(case, side_of(case[0], case[1]).built[0], message, cls).encode(version=case[2]))


def kafka_python_object(case: Case, message: Message) -> Any:
    return _to_kafka_python(case, side_of(case[0], case[1]).built[0], message, kafka_python_type(case))


def _to_kafka_python(case: Case, structure: Structure, message: Message, cls: Any) -> Any:
    theirs = [field for field in cls._struct.fields.values() if field.for_version_q(case[2])]
    ours = fields_of(structure, case[2])
    names = [(field.name, other.name) for field, other in zip(ours, theirs, strict=True)]
    assert all(same_name(case[0].name, f, t.name) for f, t in zip(ours, theirs, strict=True)), (cls, names)
    values = {}
    for field, other in zip(ours, theirs, strict=True):
        value = getattr(message, field.name)
        if field.tag is not None and value == ([] if field.fresh else field.default):
            continue
        values[other.name] = _kafka_python_value(case, field, value, other)
    return cls(version=case[2], **values)


def _kafka_python_value(case: Case, field: Field, value: Any, other: Any) -> Any:
    if value is None:
        return None
    if field.array:
        return [_kafka_python_value(case, field._replace(array=False), item, other) for item in value]
    if field.struct is not None:
        return _to_kafka_python(case, field.struct, value, other.data_class)
    if other._type_str == "bitfield":
        return {bit for bit in range(32) if value >> bit & 1}
    return UUID(bytes=value) if field.type == "uuid" else value
