"""OffsetCommit, versions 2 to 10; OffsetFetch, 1 to 10; OffsetDelete, 0.

- OffsetCommit: v2 to 4 bring a retention of their own; v6 the leader epoch; v7 static members; v9 new errors, which
  earlier versions get as 22 and 35; v10 topics by id. An unknown topic is 3 (by id 100), and the others go in. Every
  commit is stored with the topic's id, so that a topic made anew begins without.
- OffsetFetch: v2 null topics for all, and an error at the top; v5 leader epochs; v7 require_stable; v8 many groups in
  one request; v9 members of the new protocol; v10 topics by id, where topics that are gone are not told.
- OffsetDelete: topics that members subscribe to are refused one by one; an unknown topic is 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.broker.groups.answers import answered
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.machines.group.requests import (
    CommitRequest,
    CommittedTopic,
    FetchedOffset,
    FetchedTopic,
    FetchTopic,
    ForgottenTopic,
)
from kq.machines.image import TopicImage
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_DELETE, OFFSET_FETCH

if TYPE_CHECKING:
    from kq.broker.broker import Broker
    from kq.broker.groups.runtime import Runtime

NEW_ERRORS_FROM = 9
BY_ID_FROM = 10
TOP_ERROR_FROM = 2
MANY_GROUPS_FROM = 8
_BEFORE_NEW_ERRORS = {Err.GROUP_ID_NOT_FOUND: Err.ILLEGAL_GENERATION, Err.STALE_MEMBER_EPOCH: Err.UNSUPPORTED_VERSION}


# OffsetCommit


def offset_commit(broker: Broker, call: Call) -> Answer:
    body = call.body
    errors: dict[tuple[int, int], Err] = {}  # by place of topic and partition in the request

    def ask() -> Any:
        if not call.session.authorize(Operation.READ, Resource.GROUP, body.group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        shard = broker.groups.shard(body.group_id)
        topics = [_Commit(topic.name, topic.topic_id, topic.partitions) for topic in body.topics]
        allowed = [_allowed(broker, call, topic, place, errors) for place, topic in enumerate(topics)]
        request = CommitRequest(
            group_id=body.group_id,
            generation_id_or_member_epoch=body.generation_id_or_member_epoch,
            member_id=body.member_id,
            group_instance_id=body.group_instance_id,
            retention_time_ms=body.retention_time_ms,
            knows_member_epochs=call.version >= NEW_ERRORS_FROM,
            topics=[topic for topic in allowed if topic.partitions],
        )
        if not request.topics and errors:
            return []
        return shard.settle(shard.coordinator.commit(request, broker.now_ms()))

    def convert(committed: list[CommittedTopic]) -> Any:
        done = iter([partition.error_code for topic in committed for partition in topic.partitions])
        return _committed(call, lambda place: errors.get(place) or next(done))

    def refuse(error: KafkaError) -> Any:
        code = error.code if call.version >= NEW_ERRORS_FROM else _BEFORE_NEW_ERRORS.get(error.code, error.code)
        return _committed(call, lambda place: errors.get(place, code))

    return answered(ask, convert, refuse)


@dataclass(slots=True)
class _Commit:
    name: str
    topic_id: bytes
    partitions: Any


def _allowed(broker: Broker, call: Call, topic: _Commit, place: int, errors: dict[tuple[int, int], Err]) -> _Commit:
    """The topic with name and id, and with those of its partitions that can be committed."""
    known = _topic(broker, call, topic)
    error = Err.NONE
    if known is None:
        error = Err.UNKNOWN_TOPIC_OR_PARTITION if call.version < BY_ID_FROM else Err.UNKNOWN_TOPIC_ID
    name = topic.name if known is None else known.name
    if name and not call.session.authorize(Operation.READ, Resource.TOPIC, name):
        error = Err.TOPIC_AUTHORIZATION_FAILED
    if error or known is None:
        errors.update({(place, index): error for index in range(len(topic.partitions))})
        return _Commit(topic.name, topic.topic_id, [])
    count = len(known.partitions)
    partitions = topic.partitions
    if any(not 0 <= partition.index < count for partition in partitions):
        for index, partition in enumerate(partitions):
            if not 0 <= partition.index < count:
                errors[place, index] = Err.UNKNOWN_TOPIC_OR_PARTITION
        partitions = [partition for partition in partitions if 0 <= partition.index < count]
    return _Commit(known.name, known.id, partitions)


def _topic(broker: Broker, call: Call, named: Any) -> TopicImage | None:
    if call.version >= BY_ID_FROM:
        return broker.image.topic_by_id(named.topic_id)
    return broker.image.topics.get(named.name)


def _committed(call: Call, error_at: Any) -> Any:
    make = OFFSET_COMMIT.Response
    return make(
        topics=[
            make.Topic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    make.Partition(index=partition.index, error_code=error_at((place, index)))
                    for index, partition in enumerate(topic.partitions)
                ],
            )
            for place, topic in enumerate(call.body.topics)
        ]
    )


# OffsetFetch


def offset_fetch(broker: Broker, call: Call) -> Answer:
    """Told when it is committed, as what is stored is."""
    answer = _offset_fetch(broker, call)
    behind = [shard for shard in broker.groups.active if not shard.is_committed]
    return _told_when_committed(answer, behind) if behind else answer


async def _told_when_committed(answer: Any, behind: Sequence[Runtime]) -> Any:
    await asyncio.gather(*(shard.committed() for shard in behind))
    return answer


def _offset_fetch(broker: Broker, call: Call) -> Any:
    body = call.body
    make = OFFSET_FETCH.Response
    if call.version >= MANY_GROUPS_FROM:
        return make(groups=[_group(broker, call, group) for group in body.groups])
    try:
        topics = _fetched(broker, call, body.group_id, body.topics, None, -1)
    except KafkaError as error:
        if call.version >= TOP_ERROR_FROM:
            return make(error_code=error.code)
        topics = [_all_failed(topic, error.code) for topic in body.topics]
    return make(topics=[_topic_answer(make.Topic, make.Partition, topic) for topic in topics])


def _group(broker: Broker, call: Call, asked: Any) -> Any:
    make = OFFSET_FETCH.Response
    try:
        topics = _fetched(broker, call, asked.group_id, asked.topics, asked.member_id, asked.member_epoch)
    except KafkaError as error:
        return make.Group(group_id=asked.group_id, error_code=error.code)
    return make.Group(
        group_id=asked.group_id, topics=[_topic_answer(make.Topic, make.Partition, topic) for topic in topics]
    )


def _fetched(
    broker: Broker, call: Call, group_id: str, asked: Any, member_id: str | None, member_epoch: int
) -> list[FetchedTopic]:
    if not call.session.authorize(Operation.DESCRIBE, Resource.GROUP, group_id):
        raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
    shard = broker.groups.shard(group_id)

    def fetch(topics: list[FetchTopic] | None) -> list[FetchedTopic]:
        return shard.coordinator.fetch_offsets(group_id, member_id, member_epoch, topics, call.body.require_stable)

    if asked is None:
        return [named for topic in fetch(None) if (named := _told(broker, call, topic)) is not None]
    wanted, answers = [], []
    for topic in asked:
        known = _topic(broker, call, topic)
        name = topic.name if known is None else known.name
        if name and not call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, name):
            answers.append(_all_failed(topic, Err.TOPIC_AUTHORIZATION_FAILED))
        elif known is None and call.version >= BY_ID_FROM:
            answers.append(_all_failed(topic, Err.UNKNOWN_TOPIC_ID))
        else:
            wanted.append(FetchTopic(name, topic.partitions, topic.topic_id if known is None else known.id))
    return fetch(wanted) + answers


def _told(broker: Broker, call: Call, topic: FetchedTopic) -> FetchedTopic | None:
    """One of all topics of a group; None where it cannot be told."""
    if not call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, topic.name):
        return None
    if call.version < BY_ID_FROM:
        return topic
    known = broker.image.topics.get(topic.name)
    return None if known is None else topic._replace(topic_id=known.id)


def _all_failed(topic: Any, error: Err) -> FetchedTopic:
    partitions = [FetchedOffset(index, error_code=error) for index in topic.partitions]
    return FetchedTopic(topic.name, topic.topic_id, partitions)


def _topic_answer(make_topic: Any, make_partition: Any, topic: FetchedTopic) -> Any:
    return make_topic(
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[
            make_partition(
                index=partition.index,
                committed_offset=partition.committed_offset,
                committed_leader_epoch=partition.committed_leader_epoch,
                metadata=partition.metadata,
                error_code=partition.error_code,
            )
            for partition in topic.partitions
        ],
    )


# OffsetDelete


def offset_delete(broker: Broker, call: Call) -> Answer:
    body = call.body
    errors: dict[str, Err] = {}

    def ask() -> Any:
        if not call.session.authorize(Operation.DELETE, Resource.GROUP, body.group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        shard = broker.groups.shard(body.group_id)
        doomed: dict[str, list[int]] = {}
        for topic in body.topics:
            if not call.session.authorize(Operation.READ, Resource.TOPIC, topic.name):
                errors[topic.name] = Err.TOPIC_AUTHORIZATION_FAILED
            elif topic.name not in broker.image.topics:
                errors[topic.name] = Err.UNKNOWN_TOPIC_OR_PARTITION
            else:
                doomed.setdefault(topic.name, []).extend(partition.index for partition in topic.partitions)
        return shard.settle(shard.coordinator.forget_offsets(body.group_id, doomed))

    def convert(forgotten: list[ForgottenTopic]) -> Any:
        make = OFFSET_DELETE.Response
        told = {(topic.name, one.index): one.error_code for topic in forgotten for one in topic.partitions}
        return make(
            topics=[
                make.Topic(
                    name=topic.name,
                    partitions=[
                        make.Partition(
                            index=one.index, error_code=errors.get(topic.name) or told[topic.name, one.index]
                        )
                        for one in topic.partitions
                    ],
                )
                for topic in body.topics
            ]
        )

    return answered(ask, convert, lambda error: OFFSET_DELETE.Response(error_code=error.code))


HANDLERS = {OFFSET_COMMIT: offset_commit, OFFSET_FETCH: offset_fetch, OFFSET_DELETE: offset_delete}
