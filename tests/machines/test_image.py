"""An image is a value: what is made of it leaves it as it was, and its indexes agree with its topics."""

from __future__ import annotations

from random import Random

import pytest

from kq.machines.image import BrokerImage, ClusterImage, PartitionImage, TopicImage, colliding_topic

HERE = PartitionImage(1, 0, (1,), (1,))


def topic(name: str, number: int = 1, partitions: int = 1) -> TopicImage:
    return TopicImage(name, bytes([number]) * 16, (HERE,) * partitions, {})


def test_topics_come_and_go() -> None:
    empty = ClusterImage("c", 1)
    one = empty.with_topics(topic("a", 1, 3), topic("b", 2))
    none = one.without_topics("a", "b", "never there")
    assert (len(empty.topics), len(one.topics), none.topics) == (0, 2, {})
    assert one.partition_count == 4
    assert one.topic_by_id(bytes([2]) * 16) == topic("b", 2)
    assert none.topic_by_id(bytes([2]) * 16) is None
    assert one.with_topics(topic("a", 1, 5)).partition_count == 6


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("a_b", "a.b"),
        ("a.b", None),
        ("a-b", None),
        ("x_y_z", "x.y_z"),
        ("x.y.z", "x.y_z"),
        ("plain", None),
        ("p", None),
    ],
)
def test_names_that_would_be_one_in_metrics_collide(name: str, other: str | None) -> None:
    image = ClusterImage("c", 1).with_topics(topic("a.b", 1), topic("x.y_z", 2), topic("plain", 3))
    assert colliding_topic(image, name) == other


def test_indexes_agree_with_a_look_at_every_topic() -> None:
    chance = Random(5)
    names = [f"{a}{dot}{b}" for a in "ab" for b in "cd" for dot in "._-"]
    image = ClusterImage("c", 1)
    for _ in range(500):
        name = chance.choice(names)
        collides = [
            other for other in image.topics if other != name and other.replace(".", "_") == name.replace(".", "_")
        ]
        assert colliding_topic(image, name) == (collides[0] if collides else None)
        if name in image.topics:
            image = image.without_topics(name)
        elif not collides:
            image = image.with_topics(topic(name, 1 + names.index(name)))
        assert image.topic_names == {one.id: one.name for one in image.topics.values()}


def test_settings_of_brokers() -> None:
    image = ClusterImage("c", 1).with_broker_settings(None, {"a": "1"}).with_broker_settings(1, {"b": "2"})
    assert image.broker_settings == {None: {"a": "1"}, 1: {"b": "2"}}


def test_internal_topics() -> None:
    assert topic("__consumer_offsets").is_internal
    assert not topic("orders").is_internal


def test_a_broker_without_listeners_by_name_has_one_address() -> None:
    assert BrokerImage(1, "h", 9092, None).at("ANY") == ("h", 9092)
