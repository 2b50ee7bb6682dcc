"""One look at the cluster: the value of every condition, from answers asked for at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kq.cli.output.units import counted
from kq.cli.run.failures import did_you_mean
from kq.cli.wait.conditions import LAG, MEMBERS, OF_GROUP, TOPIC, Condition, Observed
from kq.client.lag.asking import survey
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.client import Cluster, GroupDescription, TopicPartition
    from kq.client.lag.asking import GroupStanding
    from kq.client.lag.standing import Standing


async def observe(cluster: Cluster, conditions: Sequence[Condition], group: str | None) -> list[Observed]:
    """In the order of the conditions. KafkaError where the cluster cannot be asked, or will never say."""
    topics = [condition.name for condition in conditions if condition.kind == TOPIC]
    found, standing = await asyncio.gather(_topics(cluster, topics), _group(cluster, conditions, group))
    return [
        found[condition.name] if condition.kind == TOPIC else _of_group(condition, standing) for condition in conditions
    ]


async def _topics(cluster: Cluster, names: Sequence[str]) -> dict[str, Observed]:
    if not names:
        return {}
    metadata = await cluster.metadata(names, max_age_ms=0)
    found = {}
    for name in names:
        topic = metadata.topics.get(name)
        if topic is None or topic.error == Err.UNKNOWN_TOPIC_OR_PARTITION:
            known = (await cluster.metadata(None, max_age_ms=0)).topics
            found[name] = Observed(None, f"there is no topic '{name}'{did_you_mean(name, set(known) - {name})}")
            continue
        if topic.error and not topic.error.retriable:
            raise KafkaError(topic.error, f"topic {name}: {topic.error.text}")
        without = sum(partition.leader < 0 for partition in topic.partitions.values())
        words = f"{without} of {counted(len(topic.partitions), 'partition')} without a leader"
        found[name] = Observed(None, words, holds=not topic.error and not without)
    return found


async def _group(cluster: Cluster, conditions: Sequence[Condition], group: str | None) -> GroupStanding | None:
    if group is None or not any(condition.kind in OF_GROUP for condition in conditions):
        return None
    standing = (await survey(cluster, [group], ages=False))[group]
    for error in (standing.description.error, standing.error):
        if error is not None and error.code != Err.GROUP_ID_NOT_FOUND:
            raise error
    return standing


def _of_group(condition: Condition, standing: GroupStanding | None) -> Observed:
    if standing is None:
        raise ValueError(condition.kind)  # `parse` asks for the group
    none = f"there is no group '{standing.id}'" if standing.description.error else None
    if condition.kind == MEMBERS:
        return condition.of_number(len(standing.description.members), none)
    if condition.kind == LAG:
        value, words = lag_of(standing.standings, standing.description)
        return condition.of_number(value, none if not standing.standings and none else words)
    raise ValueError(condition.kind)


def lag_of(standings: Mapping[TopicPartition, Standing], description: GroupDescription) -> tuple[int | None, str]:
    """Records unread in all partitions; None, with what stands in the way, where that is not known.

    An assigned partition without a commit counts 0 while it is empty: nobody commits what was never read."""
    if not standings:
        return None, f"group '{description.id}' has committed nothing"
    lag = 0
    for (topic, partition), one in standings.items():
        where = f"{topic}:{partition}"
        if not one.exists:
            continue  # deleted with its records
        if one.error is not None or one.end is None or one.start is None:
            return None, f"the lag of {where} is unknown" + (f": {str(one.error).rstrip('.')}" if one.error else "")
        if one.committed is None and one.end > one.start:
            return None, f"lag is unknown: {where} has {counted(one.end - one.start, 'record')} and no commit"
        lag += one.lag or 0
    return lag, f"lag is {lag:,}"
