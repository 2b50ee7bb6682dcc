"""ConsumerGroupHeartbeat, versions 0 to 1; ConsumerGroupDescribe, 0 to 1 (KIP-848).

- ConsumerGroupHeartbeat: v1 brings the member id that the client chose, and patterns (RE2) to subscribe by; v0 may join
  without an id and is given one. Who names a topic that it may not describe is refused as a whole (29); topics that a
  pattern matches are matched whoever may read them, since Fetch is refused anyway.
- ConsumerGroupDescribe: v1 tells which protocol a member speaks. What is no group of the new protocol is 69 with a
  sentence; clients go on to ask with DescribeGroups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.broker.groups.answers import answered, java_host
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.machines.group.consumer import DescribedConsumer, DescribedConsumerGroup, DescribedTopic
from kq.machines.group.heartbeats import ConsumerHeartbeatRequest, ConsumerHeartbeatResult
from kq.wire.apis.consumers import CONSUMER_GROUP_DESCRIBE, CONSUMER_GROUP_HEARTBEAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kq.broker.broker import Broker

MEMBER_ID_FROM = 1
PATTERN_FROM = 1


def consumer_group_heartbeat(broker: Broker, call: Call) -> Answer:
    body = call.body

    def ask() -> Any:
        if not call.session.authorize(Operation.READ, Resource.GROUP, body.group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        for name in body.subscribed_topic_names or ():
            if not call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, name):
                raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
        shard = broker.groups.shard(body.group_id)
        request = ConsumerHeartbeatRequest(
            group_id=body.group_id,
            member_id=body.member_id,
            member_epoch=body.member_epoch,
            instance_id=body.instance_id,
            rack_id=body.rack_id,
            rebalance_timeout_ms=body.rebalance_timeout_ms,
            subscribed_topic_names=body.subscribed_topic_names,
            subscribed_topic_regex=body.subscribed_topic_regex if call.version >= PATTERN_FROM else None,
            server_assignor=body.server_assignor,
            topics=_owned(body.topics),
            client_id=call.session.client_id,
            client_host=java_host(call.session.address),
            brings_member_id=call.version >= MEMBER_ID_FROM,
        )
        return shard.settle(shard.coordinator.consumer_heartbeat(request, broker.now_ms()))

    def convert(result: ConsumerHeartbeatResult) -> Any:
        make = CONSUMER_GROUP_HEARTBEAT.Response
        assignment = None
        if result.assignment is not None:
            topics = [make.Topic(topic_id=id_, partitions=list(ps)) for id_, ps in result.assignment.items()]
            assignment = make.Assignment(topics=topics)
        return make(
            member_id=result.member_id,
            member_epoch=result.member_epoch,
            heartbeat_interval_ms=result.heartbeat_interval_ms,
            assignment=assignment,
        )

    def refuse(error: KafkaError) -> Any:
        return CONSUMER_GROUP_HEARTBEAT.Response(error_code=error.code, error_message=str(error))

    return answered(ask, convert, refuse)


def _owned(topics: Any) -> dict[bytes, set[int]] | None:
    if topics is None:
        return None
    owned: dict[bytes, set[int]] = {}
    for topic in topics:
        owned.setdefault(bytes(topic.topic_id), set()).update(topic.partitions)
    return owned


def consumer_group_describe(broker: Broker, call: Call) -> Any:
    make = CONSUMER_GROUP_DESCRIBE.Response
    return make(groups=[_described(broker, call, group_id) for group_id in call.body.group_ids])


def _described(broker: Broker, call: Call, group_id: str) -> Any:
    make = CONSUMER_GROUP_DESCRIBE.Response
    try:
        if not call.session.authorize(Operation.DESCRIBE, Resource.GROUP, group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        if not group_id:
            raise KafkaError(Err.INVALID_GROUP_ID)
        group: DescribedConsumerGroup = broker.groups.shard(group_id).coordinator.consumer_describe([group_id])[0]
    except KafkaError as error:
        return make.Group(group_id=group_id, error_code=error.code, error_message=str(error))
    if not all(
        call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, topic.name)
        for member in group.members
        for topic in (*member.assignment, *member.target_assignment)
    ):
        return make.Group(
            group_id=group_id,
            error_code=Err.TOPIC_AUTHORIZATION_FAILED,
            error_message="The group has described topic(s) that the client is not authorized to describe.",
        )
    return make.Group(
        error_code=group.error_code,
        error_message=group.error_message,
        group_id=group_id,
        group_state=group.group_state,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.assignor_name,
        members=[_member(member) for member in group.members],
        authorized_operations=call.session.authorized_operations(
            Resource.GROUP, group_id, asked=call.body.include_authorized_operations and not group.error_code
        ),
    )


def _member(member: DescribedConsumer) -> Any:
    fields = member._asdict()
    fields["subscribed_topic_names"] = list(member.subscribed_topic_names)
    fields["assignment"] = _assignment(member.assignment)
    fields["target_assignment"] = _assignment(member.target_assignment)
    return CONSUMER_GROUP_DESCRIBE.Response.Member(**fields)


def _assignment(topics: Sequence[DescribedTopic]) -> Any:
    make = CONSUMER_GROUP_DESCRIBE.Response
    return make.Assignment(
        topics=[
            make.Topic(topic_id=topic.topic_id, name=topic.name, partitions=list(topic.partitions)) for topic in topics
        ]
    )


HANDLERS = {
    CONSUMER_GROUP_HEARTBEAT: consumer_group_heartbeat,
    CONSUMER_GROUP_DESCRIBE: consumer_group_describe,
}
