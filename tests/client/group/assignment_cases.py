"""Questions to assignors, as lines of text that Java and Python both read.

    assignor TAB topic=count,... TAB member|topics|owned|generation|user data in hex|instance id TAB ...

and answers `member|partitions TAB ...`, members in order. A partition is `topic-number`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from kq.client.admin.types import TopicPartition
from kq.client.group.assignors import ASSIGNORS
from kq.client.group.protocol import Subscription

Question = tuple[str, dict[str, int], dict[str, Subscription]]


def write(question: Question) -> str:
    name, counts, members = question
    fields = [name, ",".join(f"{topic}={count}" for topic, count in counts.items())]
    for member, subscription in members.items():
        fields.append(
            "|".join(
                [
                    member,
                    ",".join(subscription.topics),
                    _partitions(subscription.owned),
                    str(subscription.generation),
                    (subscription.user_data or b"").hex(),
                    subscription.instance_id or "",
                ]
            )
        )
    return "\t".join(fields)


def read(line: str) -> Question:
    name, counts, *members = line.split("\t")
    subscriptions = {}
    for field in members:
        member, topics, owned, generation, user_data, instance_id = field.split("|")
        subscriptions[member] = Subscription(
            tuple(topics.split(",")),
            bytes.fromhex(user_data) or None,
            tuple(_pair(name) for name in owned.split(",") if name),
            int(generation),
            None,
            instance_id or None,
        )
    return name, {pair.split("=")[0]: int(pair.split("=")[1]) for pair in counts.split(",")}, subscriptions


def read_answer(line: str) -> dict[str, list[TopicPartition]]:
    return {
        member: [_pair(name) for name in given.split(",") if name]
        for member, given in (field.split("|") for field in line.split("\t"))
    }


def _pair(name: str) -> TopicPartition:
    topic, number = name.rsplit("-", 1)
    return topic, int(number)


def _partitions(partitions: tuple[TopicPartition, ...]) -> str:
    return ",".join(f"{topic}-{number}" for topic, number in partitions)


def lives_of_groups(seed: int, groups: int, assignors: tuple[str, ...] = tuple(ASSIGNORS)) -> Iterator[Question]:
    """Groups whose members come, go, change their minds and sleep through rebalances, while topics grow and go."""
    rng = random.Random(seed)
    for _ in range(groups):
        yield from _life(rng, rng.choice(assignors))


def _life(rng: random.Random, name: str) -> Iterator[Question]:
    assignor = ASSIGNORS[name]
    counts = {
        topic: rng.randint(1, 9) for topic in rng.sample(["orders", "t", "a-b.c", "clicks", "x9"], rng.randint(1, 4))
    }
    same = rng.random() < 0.5  # all want the same
    wants: dict[str, tuple[str, ...]] = {}
    has: dict[str, tuple[tuple[TopicPartition, ...], int]] = {}
    instances: dict[str, str | None] = {}
    for generation in range(1, rng.randint(2, 7)):
        for _ in range(rng.randint(1, 5) if generation == 1 else rng.randint(0, 2)):
            member = f"{rng.choice(['kq', 'consumer-g-1', 'rdkafka'])}-{rng.getrandbits(64):x}"
            wants[member] = _some(rng, counts)
            instances[member] = f"i{rng.randint(0, 99)}-{member}" if rng.random() < 0.2 else None
        if generation > 1 and len(wants) > 1 and rng.random() < 0.5:
            gone = rng.choice(list(wants))
            del wants[gone]
            has.pop(gone, None)
        if rng.random() < 0.3:
            topic = rng.choice(list(counts))
            counts[topic] += rng.randint(1, 4)
        if generation > 1 and not same and rng.random() < 0.4:
            wants[rng.choice(list(wants))] = _some(rng, counts)
        members = {}
        for member, topics in wants.items():
            owned, since = has.get(member, ((), -1))
            user_data = assignor.user_data(owned, since)
            by_fields = rng.random() < 0.8  # else an older client, without the generation beside what it owns
            members[member] = Subscription(
                tuple(sorted(counts)) if same else topics,
                user_data,
                owned if assignor.cooperative else (),
                since if by_fields and assignor.cooperative else -1,
                None,
                instances[member],
            )
        # A leader asks about no other topics, Java's too.
        wanted = {topic for subscription in members.values() for topic in subscription.topics}
        asked = {topic: count for topic, count in counts.items() if topic in wanted}
        yield name, asked, members
        for member, partitions in assignor.assign(asked, members).items():
            if rng.random() < 0.9:  # the others slept: they still claim what they had
                has[member] = (tuple(partitions), generation)


def _some(rng: random.Random, counts: dict[str, int]) -> tuple[str, ...]:
    return tuple(rng.sample(sorted(counts), rng.randint(1, len(counts))))
