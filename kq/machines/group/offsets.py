"""Committed offsets of the groups of one shard (Kafka's OffsetMetadataManager).

Rules
1. An offset is remembered by group, topic and partition; the last fact wins, a tombstone forgets it.
2. A commit is decided partition by partition: metadata over `offset.metadata.max.bytes` characters are refused (12),
   the others go in. Any offset is taken, negative ones too: Kafka does.
3. An offset expires a retention after the time that its group says (`Group.offset_ages_from`), or at the time that an
   old client asked for (`retention_time_ms`, OffsetCommit up to 4), whatever the broker's retention.
4. An offset committed under a topic id is not told to someone who asks under another: the topic was made anew.
5. Offsets of transactions are pending until the marker comes: `require_stable` answers 88 for such a partition
   (KIP-447), and they keep the committed one from expiring.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from kq.errors import Err
from kq.machines.group.facts import ZERO_UUID, Fact, OffsetCommitKey, OffsetCommitValue
from kq.machines.group.group import CommitCheck
from kq.machines.group.requests import (
    CommitRequest,
    CommittedPartition,
    CommittedTopic,
    FetchedOffset,
    FetchedTopic,
    FetchTopic,
    ForgottenPartition,
    ForgottenTopic,
)

ByTopic = dict[str, dict[int, OffsetCommitValue]]


class Offsets:
    def __init__(self, metadata_max_chars: int) -> None:
        self._metadata_max_chars = metadata_max_chars
        self._by_group: dict[str, ByTopic] = {}
        # What open transactions committed: producer id -> key -> value, in the order of the log
        self._pending: dict[int, dict[OffsetCommitKey, OffsetCommitValue]] = {}

    def replay(self, key: OffsetCommitKey, value: OffsetCommitValue | None, producer_id: int = -1) -> None:
        """A tombstone also ends what transactions have pending for the partition."""
        if value is not None and producer_id >= 0:
            self._pending.setdefault(producer_id, {})[key] = value
        elif value is not None:
            self._by_group.setdefault(key.group, {}).setdefault(key.topic, {})[key.partition] = value
        else:
            self._forget(key)

    def replay_end(self, producer_id: int, *, committed: bool) -> list[OffsetCommitKey]:
        """The marker of a transaction: what it committed counts from now on, or never did."""
        ended = self._pending.pop(producer_id, {})
        if not committed:
            return []
        for key, value in ended.items():
            self.replay(key, value)
        return list(ended)

    def _forget(self, key: OffsetCommitKey) -> None:
        for producer_id, pending in list(self._pending.items()):
            pending.pop(key, None)
            if not pending:
                del self._pending[producer_id]
        topics = self._by_group.get(key.group)
        partitions = topics.get(key.topic) if topics else None
        if topics is None or partitions is None:
            return
        partitions.pop(key.partition, None)
        if not partitions:
            del topics[key.topic]
        if not topics:
            del self._by_group[key.group]

    def get(self, group_id: str, topic: str, partition: int) -> OffsetCommitValue | None:
        return self._by_group.get(group_id, {}).get(topic, {}).get(partition)

    def __iter__(self) -> Iterator[tuple[OffsetCommitKey, OffsetCommitValue]]:
        for group_id, topics in self._by_group.items():
            for topic, partitions in topics.items():
                for partition, value in partitions.items():
                    yield OffsetCommitKey(group_id, topic, partition), value

    def commit(
        self, request: CommitRequest, now_ms: int, check: CommitCheck | None = None
    ) -> tuple[list[CommittedTopic], list[Fact]]:
        """`check` has the group's objection to a partition."""
        group_id, limit = request.group_id, self._metadata_max_chars
        expires_ms = now_ms + request.retention_time_ms if request.retention_time_ms >= 0 else -1
        answer: list[CommittedTopic] = []
        facts: list[Fact] = []
        for topic in request.topics:
            name, topic_id = topic.name, topic.topic_id
            partitions: list[CommittedPartition] = []
            for asked in topic.partitions:
                metadata = asked.committed_metadata or ""
                if len(metadata) > limit:
                    partitions.append(CommittedPartition(asked.index, Err.OFFSET_METADATA_TOO_LARGE))
                    continue
                if check is not None and (error := check(name, topic_id, asked.index)):
                    partitions.append(CommittedPartition(asked.index, error))
                    continue
                partitions.append(CommittedPartition(asked.index, Err.NONE))
                value = OffsetCommitValue(
                    asked.committed_offset, asked.committed_leader_epoch, metadata, now_ms, expires_ms, topic_id
                )
                facts.append((OffsetCommitKey(group_id, name, asked.index), value))
            answer.append(CommittedTopic(name, topic_id, partitions))
        return answer, facts

    def fetch(self, group_id: str, topics: Sequence[FetchTopic] | None, *, require_stable: bool) -> list[FetchedTopic]:
        """Of these partitions, or (None) of all that have a commit."""
        held = self._by_group.get(group_id, {})
        if topics is None:
            topics = [FetchTopic(name, sorted(partitions)) for name, partitions in sorted(held.items())]
        unstable = self._unstable(group_id) if require_stable else frozenset()
        answer = []
        for name, indexes, topic_id in topics:
            offsets = held.get(name, {})
            partitions = []
            for index in indexes:
                value = offsets.get(index)
                if (name, index) in unstable:
                    partitions.append(FetchedOffset(index, error_code=Err.UNSTABLE_OFFSET_COMMIT))
                elif value is None or not same_topic(value.topic_id, topic_id):
                    partitions.append(FetchedOffset(index))
                else:
                    partitions.append(FetchedOffset(index, value.offset, value.leader_epoch, value.metadata))
            answer.append(FetchedTopic(name, topic_id, partitions))
        return answer

    def forget(
        self, group_id: str, topics: Mapping[str, Sequence[int]], is_subscribed_to: Callable[[str], bool]
    ) -> tuple[list[ForgottenTopic], list[Fact]]:
        """To forget what there is not is no error."""
        answer: list[ForgottenTopic] = []
        facts: list[Fact] = []
        known = set(self._keys(group_id))
        for topic, partitions in topics.items():
            error = Err.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed_to(topic) else Err.NONE
            answer.append(ForgottenTopic(topic, [ForgottenPartition(partition, error) for partition in partitions]))
            if not error:
                keys = [OffsetCommitKey(group_id, topic, partition) for partition in dict.fromkeys(partitions)]
                facts += [(key, None) for key in keys if key in known]
        return answer, facts

    def tombstones(self, group_id: str) -> list[Fact]:
        return [(key, None) for key in self._keys(group_id)]

    def of_topics(self, names: Collection[str]) -> list[Fact]:
        """Tombstones for all offsets of topics that are no more."""
        wanted = frozenset(names)
        keys = [key for key, _ in self if key.topic in wanted]
        keys += [key for pending in self._pending.values() for key in pending if key.topic in wanted]
        return [(key, None) for key in dict.fromkeys(keys)]

    def expired(
        self,
        group_id: str,
        *,
        ages_from: Callable[[OffsetCommitValue], int | None],
        is_subscribed_to: Callable[[str], bool],
        retention_ms: int,
        now_ms: int,
    ) -> tuple[list[Fact], bool]:
        """Tombstones for what has expired, and whether the group has nothing left then."""
        facts: list[Fact] = []
        unstable = self._unstable(group_id)
        nothing_left = not unstable
        for topic, partitions in self._by_group.get(group_id, {}).items():
            subscribed = is_subscribed_to(topic)
            for partition, value in partitions.items():
                if subscribed or (topic, partition) in unstable or not is_over(value, ages_from, retention_ms, now_ms):
                    nothing_left = False
                else:
                    facts.append((OffsetCommitKey(group_id, topic, partition), None))
        return facts, nothing_left

    def _keys(self, group_id: str) -> Iterable[OffsetCommitKey]:
        """Of all that is committed or pending, each once."""
        committed = [
            OffsetCommitKey(group_id, topic, partition)
            for topic, partitions in self._by_group.get(group_id, {}).items()
            for partition in partitions
        ]
        pending = [OffsetCommitKey(group_id, topic, partition) for topic, partition in self._unstable(group_id)]
        return dict.fromkeys(committed + pending)

    def _unstable(self, group_id: str) -> frozenset[tuple[str, int]]:
        return frozenset(
            (key.topic, key.partition) for pending in self._pending.values() for key in pending if key.group == group_id
        )


def same_topic(committed: bytes, asked: bytes) -> bool:
    return ZERO_UUID in (committed, asked) or committed == asked


def is_over(
    value: OffsetCommitValue, ages_from: Callable[[OffsetCommitValue], int | None], retention_ms: int, now_ms: int
) -> bool:
    since_ms = ages_from(value)
    if since_ms is None:
        return False
    if value.expire_timestamp >= 0:
        return now_ms >= value.expire_timestamp
    return now_ms - since_ms >= retention_ms
