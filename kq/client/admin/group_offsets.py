"""Admin calls about what groups have committed, and the requests for it, which members of groups send too.

Rules
- Topics go by name, not by id: an id says nothing about a topic deleted since, whose offsets one may want to see or to
  delete.
- A commit from here is that of a simple consumer (generation -1, no member): the coordinator takes it only while the
  group has no members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.routing import by_topic, error_of
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.errors import Err, KafkaError
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_DELETE, OFFSET_FETCH

__all__ = [
    "BY_NAME",
    "GroupOffsetAdmin",
    "commit_code",
    "commit_request",
    "commit_results",
    "offsets_code",
    "offsets_of",
    "offsets_request",
]

BY_NAME = 9  # the last version of OffsetFetch and OffsetCommit that names topics by name
MANY_GROUPS_SINCE = 8  # version of OffsetFetch


class GroupOffsetAdmin:
    _cluster: Cluster

    async def group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None, *, require_stable: bool = False
    ) -> dict[TopicPartition, GroupOffset]:
        """What the group has committed: for all partitions that have a commit, or for each of these (offset -1: none).

        `require_stable`: where an open transaction has a commit pending, the answer is UNSTABLE_OFFSET_COMMIT.
        """
        body = offsets_request(group_id, None if partitions is None else list(partitions), require_stable)
        answer = await self._cluster.coordinators.ask(group_id, OFFSET_FETCH, body, offsets_code, highest=BY_NAME)
        return offsets_of(answer)

    async def alter_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, GroupOffset | tuple[int, int, str]]
    ) -> dict[TopicPartition, KafkaError | None]:
        """Commits (offset, leader epoch or -1, metadata) in the group's name. UNKNOWN_MEMBER_ID or the like beside each
        partition while the group has members."""
        body = commit_request(group_id, offsets)
        answer = await self._cluster.coordinators.ask(group_id, OFFSET_COMMIT, body, commit_code, highest=BY_NAME)
        return commit_results(answer)

    async def delete_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, KafkaError | None]:
        """Forgets these commits; GROUP_SUBSCRIBED_TO_TOPIC where a member reads the topic."""
        request = OFFSET_DELETE.Request
        topics = [
            request.Topic(name=name, partitions=[request.Partition(index=i) for i in indexes])
            for name, indexes in by_topic(partitions).items()
        ]
        body = request(group_id=group_id, topics=topics)
        answer = await self._cluster.coordinators.ask(group_id, OFFSET_DELETE, body, _code)
        if answer.error_code:
            raise KafkaError(Err.of(answer.error_code))
        return commit_results(answer)


def offsets_request(group_id: str, partitions: list[TopicPartition] | None, require_stable: bool) -> Any:
    """OffsetFetch for one group, as a function of the version."""
    request = OFFSET_FETCH.Request
    topics = (
        None
        if partitions is None
        else [request.Topic(name=name, partitions=indexes) for name, indexes in by_topic(partitions).items()]
    )

    def body(version: int) -> Any:
        if version < MANY_GROUPS_SINCE:
            return request(group_id=group_id, topics=topics, require_stable=require_stable)
        return request(groups=[request.Group(group_id=group_id, topics=topics)], require_stable=require_stable)

    return body


def offsets_of(answer: Any) -> dict[TopicPartition, GroupOffset]:
    """What an answer to `offsets_request` says; its error is raised."""
    group = _offsets_of_group(answer)
    if group.error_code:
        raise KafkaError(Err.of(group.error_code))
    return {
        (topic.name, p.index): GroupOffset(
            p.committed_offset, p.committed_leader_epoch, p.metadata or "", error_of(p.error_code)
        )
        for topic in group.topics
        for p in topic.partitions
    }


def offsets_code(answer: Any) -> int:
    code: int = _offsets_of_group(answer).error_code
    return code


def _offsets_of_group(answer: Any) -> Any:
    return answer.groups[0] if answer.groups else answer


def commit_request(
    group_id: str,
    offsets: Mapping[TopicPartition, GroupOffset | tuple[int, int, str]],
    generation: int = -1,
    member_id: str = "",
    instance_id: str | None = None,
) -> Any:
    request = OFFSET_COMMIT.Request
    topics: dict[str, Any] = {}
    for (name, index), (offset, leader_epoch, metadata, *_) in offsets.items():
        topic = topics.get(name)
        if topic is None:
            topic = topics[name] = request.Topic(name=name)
        topic.partitions.append(
            request.Partition(
                index=index,
                committed_offset=offset,
                committed_leader_epoch=leader_epoch,
                committed_metadata=metadata,
            )
        )
    return request(
        group_id=group_id,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=list(topics.values()),
    )


def commit_results(answer: Any) -> dict[TopicPartition, KafkaError | None]:
    return {(topic.name, p.index): error_of(p.error_code) for topic in answer.topics for p in topic.partitions}


def commit_code(answer: Any) -> int:
    """The coordinator's own error stands beside every partition."""
    return next((p.error_code for topic in answer.topics for p in topic.partitions if p.error_code), 0)


def _code(answer: Any) -> int:
    code: int = answer.error_code
    return code
