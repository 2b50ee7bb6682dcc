"""Where admin requests go: to the controller, to every partition's leader, to each broker.

Rules
- Changes of the cluster go to the controller when it is known and answers, else to any broker: KRaft brokers and kq's
  pass them on or carry them out; only a cluster on ZooKeeper answers NOT_CONTROLLER, and is then asked again.
- Questions about partitions go to their leaders, all brokers at once. Answers that say "ask elsewhere" or "not now"
  are followed for PATIENCE_S, then they stand: a command shows a gap rather than hang until an election is over.
- A broker that cannot be asked puts its error beside each of its items; it never fails the others'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.errors import is_retriable
from kq.errors import Err, KafkaError
from kq.wire.api import Api

__all__ = ["ANSWER_SLACK_MS", "by_leader", "by_topic", "change", "each_node", "error_of"]

PATIENCE_S = 2.0
ANSWER_SLACK_MS = 5_000  # an answer may come this much after the time the request itself allows the broker


class Answer(Protocol):
    """An item's answer: whatever it says, or its error."""

    @property
    def error(self) -> KafkaError | None: ...


Ask = TypeVar("Ask")
Got = TypeVar("Got", bound=Answer)
Value = TypeVar("Value")


def error_of(code: int, message: str | None = None) -> KafkaError | None:
    return KafkaError(Err.of(code), message or None) if code else None


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in partitions:
        topics.setdefault(topic, []).append(partition)
    return topics


async def change(cluster: Cluster, api: Api, body: Any, codes: Callable[[Any], Iterable[int]]) -> Any:
    """The answer to a request that changes the cluster; `codes` reads the error codes of its items."""

    async def attempt() -> Any:
        controller = cluster.known.controller_id
        answer_ms = cluster.settings.request_timeout_ms + ANSWER_SLACK_MS
        if controller in cluster.known.brokers:
            try:
                answer = await cluster.request(api, body, node=controller, timeout_ms=answer_ms)
            except KafkaError as error:
                if not is_retriable(error):
                    raise
                answer = await cluster.request(api, body, timeout_ms=answer_ms)
        else:
            answer = await cluster.request(api, body, timeout_ms=answer_ms)
        if Err.NOT_CONTROLLER in codes(answer):
            await cluster.metadata([], max_age_ms=0)
            raise KafkaError(Err.NOT_CONTROLLER)
        return answer

    return await cluster.retrying(attempt)


async def each_node(
    nodes: Iterable[int], ask: Callable[[int], Awaitable[Value]], failed: Callable[[int, KafkaError], Value]
) -> dict[int, Value]:
    """What each broker says, all asked at once; `failed` makes the entry of one that could not be asked."""

    async def one(node: int) -> Value:
        try:
            return await ask(node)
        except KafkaError as error:
            return failed(node, error)

    wanted = list(dict.fromkeys(nodes))
    return dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))


async def by_leader(
    cluster: Cluster,
    wanted: Mapping[TopicPartition, Ask],
    ask: Callable[[int, dict[TopicPartition, Ask]], Awaitable[dict[TopicPartition, Got]]],
    failed: Callable[[KafkaError], Got],
) -> dict[TopicPartition, Got]:
    """Each partition's answer from its leader; `failed` makes the answer where there is only an error."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + PATIENCE_S
    answers: dict[TopicPartition, Got] = {}
    pending = dict(wanted)
    rounds = 0
    while True:
        for partition, code in await _lead(cluster, pending, fresh=rounds > 0):
            answers[partition] = failed(KafkaError(code))
            if code == Err.UNKNOWN_TOPIC_OR_PARTITION:
                del pending[partition]
        answers.update(await _ask_leaders(cluster, pending, ask, failed))
        pending = {
            partition: value
            for partition, value in pending.items()
            if (error := answers[partition].error) is not None and is_retriable(error)
        }
        rounds += 1
        pause_s = cluster.retry.delay_ms(rounds, cluster.rng) / 1000
        if not pending or loop.time() + pause_s > deadline_s:
            return {partition: answers[partition] for partition in wanted}
        await asyncio.sleep(pause_s)


async def _lead(
    cluster: Cluster, partitions: Iterable[TopicPartition], *, fresh: bool
) -> list[tuple[TopicPartition, Err]]:
    """Learns the leaders; the partitions that have none, and why."""
    wanted = list(partitions)
    metadata = await cluster.metadata({topic for topic, _ in wanted}, max_age_ms=0 if fresh else None)
    stale = {topic for topic, partition in wanted if metadata.partition(topic, partition) is None}
    if stale and not fresh:
        metadata = await cluster.metadata({topic for topic, _ in wanted}, max_age_ms=0)
    missing = []
    for topic, partition in wanted:
        found = metadata.partition(topic, partition)
        if found is None:
            error = metadata.topics[topic].error if topic in metadata.topics else Err.NONE
            missing.append(((topic, partition), error or Err.UNKNOWN_TOPIC_OR_PARTITION))
        elif found.leader < 0:
            missing.append(((topic, partition), Err.LEADER_NOT_AVAILABLE))
    return missing


async def _ask_leaders(
    cluster: Cluster,
    wanted: Mapping[TopicPartition, Ask],
    ask: Callable[[int, dict[TopicPartition, Ask]], Awaitable[dict[TopicPartition, Got]]],
    failed: Callable[[KafkaError], Got],
) -> dict[TopicPartition, Got]:
    groups: dict[int, dict[TopicPartition, Ask]] = {}
    for (topic, partition), value in wanted.items():
        leader = cluster.known.leader(topic, partition)
        if leader >= 0:
            groups.setdefault(leader, {})[topic, partition] = value

    async def one(node: int) -> dict[TopicPartition, Got]:
        said = await ask(node, groups[node])
        silent = KafkaError(Err.UNKNOWN_SERVER_ERROR, f"broker {node} said nothing about this partition")
        return {partition: said.get(partition) or failed(silent) for partition in groups[node]}

    said = await each_node(groups, one, lambda node, error: dict.fromkeys(groups[node], failed(error)))
    return {partition: answer for group in said.values() for partition, answer in group.items()}
