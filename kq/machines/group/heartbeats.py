"""ConsumerGroupHeartbeat as the coordinator is asked and answers it, and what makes a request invalid by itself.

Null, and -1 for the rebalance timeout, mean "as last time". An epoch of 0 joins (again), -1 leaves, -2 leaves for now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kq.errors import Err, KafkaError
from kq.machines.group.assignors import ASSIGNORS
from kq.machines.group.members import LEFT_FOR_NOW
from kq.machines.group.reconciliation import Epochs, Partitions
from kq.machines.group.settings import GroupSettings

JOINS = 0
LEAVES = -1


@dataclass(slots=True, kw_only=True)
class ConsumerHeartbeatRequest:
    group_id: str
    member_id: str
    member_epoch: int
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    subscribed_topic_names: Sequence[str] | None = None
    subscribed_topic_regex: str | None = None
    server_assignor: str | None = None
    topics: Partitions | None = None  # what the member owns, by topic id
    client_id: str
    client_host: str  # as Java prints an address: "/127.0.0.1"
    brings_member_id: bool = True  # version 1+: the client chose it (KIP-1082)

    @property
    def is_full(self) -> bool:
        """Everything is said: so a member does that joins, or that had no answer to its last heartbeat."""
        subscribes = self.subscribed_topic_names is not None or self.subscribed_topic_regex is not None
        return self.rebalance_timeout_ms != -1 and subscribes and self.topics is not None


class ConsumerHeartbeatResult(NamedTuple):
    """`assignment` None: as last time."""

    member_id: str
    member_epoch: int
    heartbeat_interval_ms: int = 0
    assignment: Mapping[bytes, Sequence[int]] | None = None


def as_answered(epochs: Epochs) -> dict[bytes, list[int]]:
    return {topic_id: sorted(epochs[topic_id]) for topic_id in sorted(epochs)}


def check(request: ConsumerHeartbeatRequest, settings: GroupSettings) -> None:
    """In Kafka's order (GroupCoordinatorService): a client is told of the same mistake first."""
    epoch = request.member_epoch
    wants_id = request.brings_member_id or epoch > JOINS or epoch == LEAVES
    blank = {
        "MemberId": wants_id and _is_blank(request.member_id),
        "GroupId": _is_blank(request.group_id),
        "InstanceId": request.instance_id is not None and _is_blank(request.instance_id),
        "RackId": request.rack_id is not None and _is_blank(request.rack_id),
    }
    for name, is_blank in blank.items():
        if is_blank:
            raise KafkaError(Err.INVALID_REQUEST, f"{name} can't be empty.")
    if epoch == JOINS:
        if request.rebalance_timeout_ms == -1:
            raise KafkaError(Err.INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.")
        if request.topics is None or request.topics:
            raise KafkaError(Err.INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.")
        if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
            raise KafkaError(
                Err.INVALID_REQUEST,
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            )
    elif epoch == LEFT_FOR_NOW:
        if request.instance_id is None:
            raise KafkaError(Err.INVALID_REQUEST, "InstanceId can't be null.")
    elif epoch < LEFT_FOR_NOW:
        raise KafkaError(Err.INVALID_REQUEST, "MemberEpoch is invalid.")
    offered = [name for name in settings.group_consumer_assignors if name in ASSIGNORS]
    if request.server_assignor is not None and request.server_assignor not in offered:
        raise KafkaError(
            Err.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {', '.join(offered)}.",
        )


def _is_blank(text: str) -> bool:
    return not text.strip()
