"""Metadata, versions 0 to 13; DescribeCluster, 0 to 2; DescribeTopicPartitions, 0.

- Metadata: null (and `[]` in v0) means all topics, `[]` from v1 on none. Names are answered once each. If any entry
  has an id, entries by name are ignored (4.3.1). v4 allow_auto_topic_creation; v8 authorized operations; v10 tells
  topic ids, v12 takes them. Before that an id or a null name refuses the whole request, as INVALID_REQUEST; from then
  on an entry without either, among names, does as UNKNOWN_SERVER_ERROR. Such an answer names no brokers.
- A topic that does not exist is created where that is allowed, and answered UNKNOWN_TOPIC_OR_PARTITION this time: the
  client asks again. Not the broker's own topics: these are made by what writes them. Of all topics those are answered
  that the client may know of.
- DescribeTopicPartitions: sorted, once each, in pages; a limit below 1 acts as 1; topic operations come unasked. A
  cursor must be on a topic that is asked for, whether it exists or not; one beyond the last partition answers none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kq.broker.names import check_topic_name
from kq.broker.router import Answer, Call
from kq.broker.session import CLUSTER, NOT_ASKED, Operation, Resource, Session
from kq.errors import Err, KafkaError
from kq.machines.image import INTERNAL_TOPICS, ClusterImage, TopicImage
from kq.wire.apis.metadata import DESCRIBE_CLUSTER, DESCRIBE_TOPIC_PARTITIONS, METADATA
from kq.wire.primitives import ZERO_UUID

if TYPE_CHECKING:
    from kq.broker.broker import Broker

BROKERS_ENDPOINT, CONTROLLERS_ENDPOINT = 1, 2
IDS_FROM = 12


def metadata(broker: Broker, call: Call) -> Answer:
    body, image, session = call.body, broker.image, call.session
    missing: list[str] = []
    if body.topics is not None and (fault := _fault(call.version, body.topics)):
        refused = [_error(topic.name or "", fault, topic.topic_id) for topic in body.topics]
        return METADATA.Response(brokers=[], cluster_id=None, error_code=fault, topics=refused)
    if body.topics is None or (not body.topics and call.version == 0):
        topics = [_topic(session, body, topic) for topic in image.topics.values() if _may_see(session, topic.name)]
    elif any(topic.topic_id != ZERO_UUID for topic in body.topics):
        topics = list(_topics_by_id(image, session, body))
    else:
        names = dict.fromkeys(topic.name for topic in body.topics)
        topics = [_topic_or_error(image, session, body, name, missing) for name in names]
    if missing and body.allow_auto_topic_creation and broker.settings.auto_create_topics_enable:
        broker.auto_creation.want([n for n in missing if session.authorize(Operation.CREATE, Resource.TOPIC, n)])
    brokers = [
        METADATA.Response.Broker(node_id=b.node_id, host=host, port=port, rack=b.rack)
        for b in image.brokers.values()
        for host, port in [b.at(session.listener)]
    ]
    return METADATA.Response(
        brokers=brokers,
        cluster_id=image.cluster_id,
        controller_id=image.controller_id,
        topics=topics,
        cluster_authorized_operations=session.authorized_operations(
            Resource.CLUSTER, CLUSTER, asked=body.include_cluster_authorized_operations
        ),
    )


def _fault(version: int, asked: list[Any]) -> Err:
    """What refuses the whole request, NONE if nothing does."""
    nameless, with_id = any(topic.name is None for topic in asked), any(topic.topic_id != ZERO_UUID for topic in asked)
    if version < IDS_FROM:
        return Err.INVALID_REQUEST if nameless or with_id else Err.NONE
    return Err.UNKNOWN_SERVER_ERROR if nameless and not with_id else Err.NONE


def _topics_by_id(image: ClusterImage, session: Session, body: Any) -> Iterator[Any]:
    for topic_id in dict.fromkeys(topic.topic_id for topic in body.topics if topic.topic_id != ZERO_UUID):
        topic = image.topic_by_id(topic_id)
        if topic is None:
            yield METADATA.Response.Topic(error_code=Err.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
        else:
            yield _topic(session, body, topic)


def _topic_or_error(image: ClusterImage, session: Session, body: Any, name: str, missing: list[str]) -> Any:
    topic = image.topics.get(name)
    if topic is not None:
        return _topic(session, body, topic)
    try:
        check_topic_name(name)
    except KafkaError as error:
        return _error(name, error.code)
    if name not in INTERNAL_TOPICS:
        missing.append(name)
    return _error(name, Err.UNKNOWN_TOPIC_OR_PARTITION)


def _error(name: str, code: Err, topic_id: bytes = ZERO_UUID) -> Any:
    return METADATA.Response.Topic(error_code=code, name=name, topic_id=topic_id, is_internal=name in INTERNAL_TOPICS)


def _may_see(session: Session, topic: str) -> bool:
    return session.authorize(Operation.DESCRIBE, Resource.TOPIC, topic)


def _topic(session: Session, body: Any, topic: TopicImage) -> Any:
    if not _may_see(session, topic.name):
        return _error(topic.name, Err.TOPIC_AUTHORIZATION_FAILED)
    make = METADATA.Response.Partition
    return METADATA.Response.Topic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.is_internal,
        partitions=[
            make(
                error_code=Err.NONE if p.leader >= 0 else Err.LEADER_NOT_AVAILABLE,
                index=index,
                leader_id=p.leader,
                leader_epoch=p.leader_epoch,
                replicas=p.replicas,
                isr=p.isr,
            )
            for index, p in enumerate(topic.partitions)
        ],
        topic_authorized_operations=session.authorized_operations(
            Resource.TOPIC, topic.name, asked=body.include_topic_authorized_operations
        ),
    )


def describe_cluster(broker: Broker, call: Call) -> Answer:
    body, image, session = call.body, broker.image, call.session
    if body.endpoint_type != BROKERS_ENDPOINT:
        mismatch = body.endpoint_type == CONTROLLERS_ENDPOINT
        return DESCRIBE_CLUSTER.Response(
            error_code=Err.MISMATCHED_ENDPOINT_TYPE if mismatch else Err.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"this is a broker's endpoint, type 1; the request asks for type {body.endpoint_type}",
        )
    make = DESCRIBE_CLUSTER.Response.Broker
    return DESCRIBE_CLUSTER.Response(
        error_message=None,
        endpoint_type=BROKERS_ENDPOINT,
        cluster_id=image.cluster_id,
        controller_id=image.controller_id,
        brokers=[
            make(broker_id=b.node_id, host=host, port=port, rack=b.rack)
            for b in image.brokers.values()
            for host, port in [b.at(session.listener)]
        ],
        cluster_authorized_operations=session.authorized_operations(
            Resource.CLUSTER, CLUSTER, asked=body.include_cluster_authorized_operations
        ),
    )


def describe_topic_partitions(broker: Broker, call: Call) -> Answer:
    body, image, session = call.body, broker.image, call.session
    asked = [topic.name for topic in body.topics]
    first_name, first_index = ("", 0) if body.cursor is None else (body.cursor.name, body.cursor.index)
    if body.cursor is not None and (first_index < 0 or (asked and first_name not in asked)):
        refused = [_described_error(name, Err.INVALID_REQUEST) for name in asked]
        return DESCRIBE_TOPIC_PARTITIONS.Response(topics=refused, next_cursor=None)
    most = broker.settings.max_request_partition_size_limit
    left = max(1, min(body.response_partition_limit, most))
    topics = []
    cursor = None
    for name in sorted(name for name in set(asked or image.topics) if name >= first_name):
        start = first_index if name == first_name else 0
        if left == 0:
            cursor = DESCRIBE_TOPIC_PARTITIONS.Response.Cursor(name=name, index=0)
            break
        topic = image.topics.get(name)
        if not _may_see(session, name):
            if asked:
                topics.append(_described_error(name, Err.TOPIC_AUTHORIZATION_FAILED))
            continue
        if topic is None:
            topics.append(_described_error(name, _why_unknown(name), _operations(session, name)))
            continue
        count = len(topic.partitions)
        start = min(start, count)
        end = min(count, start + left)
        topics.append(_described(session, topic, start, end))
        left -= end - start
        if end < count:
            cursor = DESCRIBE_TOPIC_PARTITIONS.Response.Cursor(name=name, index=end)
            break
    return DESCRIBE_TOPIC_PARTITIONS.Response(topics=topics, next_cursor=cursor)


def _why_unknown(name: str) -> Err:
    try:
        check_topic_name(name)
    except KafkaError as error:
        return error.code
    return Err.UNKNOWN_TOPIC_OR_PARTITION


def _operations(session: Session, name: str) -> int:
    return session.authorized_operations(Resource.TOPIC, name, asked=True)


def _described_error(name: str, code: Err, operations: int = NOT_ASKED) -> Any:
    return DESCRIBE_TOPIC_PARTITIONS.Response.Topic(
        error_code=code, name=name, is_internal=name in INTERNAL_TOPICS, topic_authorized_operations=operations
    )


def _described(session: Session, topic: TopicImage, start: int, end: int) -> Any:
    make = DESCRIBE_TOPIC_PARTITIONS.Response.Partition
    return DESCRIBE_TOPIC_PARTITIONS.Response.Topic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.is_internal,
        partitions=[
            make(
                error_code=Err.NONE if p.leader >= 0 else Err.LEADER_NOT_AVAILABLE,
                index=index,
                leader_id=p.leader,
                leader_epoch=p.leader_epoch,
                replicas=p.replicas,
                isr=p.isr,
                eligible_leader_replicas=[],
                last_known_elr=[],
            )
            for index, p in enumerate(topic.partitions[start:end], start)
        ],
        topic_authorized_operations=_operations(session, topic.name),
    )


HANDLERS = {
    METADATA: metadata,
    DESCRIBE_CLUSTER: describe_cluster,
    DESCRIBE_TOPIC_PARTITIONS: describe_topic_partitions,
}
