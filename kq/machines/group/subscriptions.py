"""What the members of a classic group want and have, where they speak the embedded consumer protocol.

The coordinator needs it for two things only: offsets of a topic that members subscribe to are neither deleted nor
expired, and the history says how many partitions moved. Whoever speaks something else is not understood, and that is
no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kq.machines.group.embedded import PROTOCOL_TYPE, Malformed, decode_assignment, decode_subscription


def subscribed_topics(protocol_type: str | None, subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """All topics of all members; None if one of them cannot be read or the group is no consumers' at all."""
    if protocol_type != PROTOCOL_TYPE:
        return None
    topics: set[str] = set()
    try:
        for subscription in subscriptions:
            topics.update(decode_subscription(subscription).topics)
    except Malformed:
        return None
    return frozenset(topics)


def owners(assignments: Mapping[str, bytes]) -> dict[tuple[str, int], str]:
    """Who has which partition, from the assignments by member."""
    owned: dict[tuple[str, int], str] = {}
    for member, assignment in assignments.items():
        try:
            topics = decode_assignment(assignment)
        except Malformed:
            continue
        owned.update({(topic, partition): member for topic, partitions in topics.items() for partition in partitions})
    return owned
