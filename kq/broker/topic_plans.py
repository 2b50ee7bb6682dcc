"""What a topic would be: names, partitions, replicas and settings checked before anything is done.

Pure but for the new topic's id: a plan is made from what the broker knows at this moment, answers with Kafka's codes
what cannot be, and changes nothing. `topics` carries it out, in a turn of its own, and looks again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kq.broker.names import check_topic_name, new_topic_id
from kq.config.alter import create_topic
from kq.engine.checkpoint import META_PROPERTIES
from kq.errors import Err, KafkaError
from kq.machines.image import PartitionImage, TopicImage, colliding_topic

if TYPE_CHECKING:
    from kq.broker.broker import Broker

BROKER_DEFAULT = -1
CONTROLLERS_TOPIC = "__cluster_metadata"

Replicas = tuple[int, ...]


def plan_topic(
    broker: Broker,
    name: str,
    *,
    num_partitions: int = BROKER_DEFAULT,
    replication_factor: int = BROKER_DEFAULT,
    assignment: Mapping[int, Sequence[int]] | None = None,
    settings: Mapping[str, str] | None = None,
) -> TopicImage:
    """The topic as it would be created; raises KafkaError with what Kafka answers when it cannot be."""
    _check_name(broker, name)
    if not assignment:
        replicas = _placed(broker, num_partitions, replication_factor)
    elif num_partitions != BROKER_DEFAULT or replication_factor != BROKER_DEFAULT:
        raise KafkaError(Err.INVALID_REQUEST, "give an assignment, or partitions and a replication factor, not both")
    elif sorted(assignment) != list(range(len(assignment))):
        raise KafkaError(Err.INVALID_REPLICA_ASSIGNMENT, "the partitions assigned are not 0, 1, 2, …")
    else:
        replicas = [_checked(broker, assignment[index]) for index in range(len(assignment))]
    checked = create_topic(dict(settings or {}).items(), broker.layers)
    return TopicImage(name, new_topic_id(), _partitions(replicas), checked)


def plan_growth(
    broker: Broker, name: str, count: int, assignments: Sequence[Sequence[int]] | None, *, most_new: int
) -> TopicImage:
    """The topic as it would be with `count` partitions, of which at most `most_new` are new."""
    topic = broker.image.topics.get(name)
    if topic is None:
        raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
    more = count - len(topic.partitions)
    if more <= 0:
        raise KafkaError(
            Err.INVALID_PARTITIONS, f"topic {name!r} has {len(topic.partitions)} partitions; it can only grow"
        )
    if more > most_new:
        raise KafkaError(Err.POLICY_VIOLATION, f"{more} new partitions, where one request may still make {most_new}")
    if assignments is None:
        replicas = _placed(broker, more, BROKER_DEFAULT)
    elif len(assignments) != more:
        raise KafkaError(
            Err.INVALID_REPLICA_ASSIGNMENT, f"{more} partitions are new, and {len(assignments)} are assigned"
        )
    else:
        replicas = [_checked(broker, one) for one in assignments]
    return replace(topic, partitions=topic.partitions + _partitions(replicas))


def _check_name(broker: Broker, name: str) -> None:
    check_topic_name(name)
    if name == CONTROLLERS_TOPIC:
        raise KafkaError(Err.INVALID_REQUEST, f"{name} is the controllers' own")
    if name in broker.image.topics:
        raise KafkaError(Err.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists")
    if other := colliding_topic(broker.image, name):
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, f"{name!r} and the topic {other!r} would be one name in metrics")
    if other := _sharing_directories(broker, name):
        raise KafkaError(
            Err.INVALID_TOPIC_EXCEPTION, f"{name!r} and the topic {other!r} would be one directory on this disk"
        )


def _sharing_directories(broker: Broker, name: str) -> str | None:
    """The topic whose name differs only in case, on a disk that does not tell one from the other (macOS's)."""
    if not os.path.exists(os.path.join(broker.data_dir, META_PROPERTIES.upper())):
        return None
    return next((other for other in broker.image.topics if other.casefold() == name.casefold()), None)


def _placed(broker: Broker, count: int, replication_factor: int) -> list[Replicas]:
    settings = broker.settings
    count = settings.num_partitions if count == BROKER_DEFAULT else count
    factor = settings.default_replication_factor if replication_factor == BROKER_DEFAULT else replication_factor
    if factor < 1:
        raise KafkaError(Err.INVALID_REPLICATION_FACTOR, f"a topic cannot have {factor} replicas")
    if count < 1:
        raise KafkaError(Err.INVALID_PARTITIONS, f"a topic cannot have {count} partitions")
    brokers = len(broker.image.brokers)
    if factor > brokers:
        raise KafkaError(
            Err.INVALID_REPLICATION_FACTOR, f"replication factor {factor} on {brokers} broker{'s'[: brokers > 1]}"
        )
    return [(broker.node_id,)] * count


def _checked(broker: Broker, replicas: Sequence[int]) -> Replicas:
    known = broker.image.brokers
    if not replicas or len(set(replicas)) < len(replicas) or any(id_ not in known for id_ in replicas):
        raise KafkaError(
            Err.INVALID_REPLICA_ASSIGNMENT, f"replicas {list(replicas)}: each broker at most once, of {list(known)}"
        )
    return tuple(replicas)


def _partitions(replicas: Sequence[Replicas]) -> tuple[PartitionImage, ...]:
    """Led by the first of their replicas."""
    return tuple(PartitionImage(one[0], 0, one, one) for one in replicas)
