"""What is known of a cluster: age, merging, and leaders that never go back."""

from __future__ import annotations

from kq.client.metadata import Broker, ClusterMetadata, MetadataCache, Partition, Topic
from kq.errors import Err

BROKERS = {n: Broker(n, "h", 9000 + n) for n in (1, 2, 3)}


def topic(name: str = "t", *, leader: int = 1, epoch: int = 5, error: Err = Err.NONE, identity: int = 1) -> Topic:
    partitions = {} if error else {0: Partition(0, leader, epoch, (1, 2, 3), (1, 2, 3))}
    return Topic(name, bytes([identity]) * 16, False, error, partitions)


def answer(*topics: Topic) -> ClusterMetadata:
    return ClusterMetadata("c", 1, BROKERS, {t.name: t for t in topics})


def test_age_is_that_of_the_oldest_answer() -> None:
    cache = MetadataCache()
    assert cache.age_ms(["t"], 100) == float("inf")
    cache.merge(answer(topic("t")), all_topics=False, now_ms=100)
    cache.merge(answer(topic("u")), all_topics=False, now_ms=150)
    assert cache.age_ms(["t", "u"], 200) == 100
    assert cache.age_ms(None, 200) == float("inf")
    assert set(cache.current.topics) == {"t", "u"}
    cache.forget("u")
    assert cache.age_ms(["u"], 200) == float("inf")


def test_an_answer_about_all_topics_shows_what_is_gone() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic("t"), topic("u")), all_topics=False, now_ms=1)
    cache.merge(answer(topic("u")), all_topics=True, now_ms=2)
    assert set(cache.current.topics) == {"u"}
    assert cache.age_ms(None, 5) == 3
    assert cache.age_ms(["t"], 5) == float("inf")


def test_a_missing_topic_is_asked_for_again() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic("t", error=Err.UNKNOWN_TOPIC_OR_PARTITION)), all_topics=False, now_ms=100)
    assert cache.current.topics["t"].error
    assert cache.age_ms(["t"], 101) == float("inf")


def test_a_broker_that_lags_behind_does_not_bring_an_old_leader_back() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic(leader=2, epoch=6)), all_topics=False, now_ms=1)
    cache.merge(answer(topic(leader=1, epoch=5)), all_topics=False, now_ms=2)
    assert cache.current.leader("t", 0) == 2
    cache.merge(answer(topic(leader=3, epoch=7)), all_topics=True, now_ms=3)
    assert cache.current.leader("t", 0) == 3


def test_the_same_epoch_may_say_that_the_leader_is_gone() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic(leader=2, epoch=6)), all_topics=False, now_ms=1)
    cache.merge(answer(topic(leader=-1, epoch=6)), all_topics=False, now_ms=2)
    assert cache.current.leader("t", 0) == -1


def test_a_topic_made_anew_starts_afresh() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic(leader=2, epoch=6)), all_topics=False, now_ms=1)
    cache.merge(answer(topic(leader=1, epoch=0, identity=2)), all_topics=False, now_ms=2)
    assert cache.current.leader("t", 0) == 1


def test_old_brokers_have_no_epochs_and_are_believed() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic(leader=2, epoch=6)), all_topics=False, now_ms=1)
    cache.merge(answer(topic(leader=1, epoch=-1)), all_topics=False, now_ms=2)
    assert cache.current.leader("t", 0) == 1


def test_a_refusal_that_names_the_leader_is_taken_when_it_is_news() -> None:
    cache = MetadataCache()
    cache.merge(answer(topic(leader=1, epoch=5)), all_topics=False, now_ms=1)
    cache.moved("t", 0, 9, 6, [Broker(9, "new", 9009)])
    assert cache.current.leader("t", 0) == 9
    assert cache.current.brokers[9].address == "new:9009"
    cache.moved("t", 0, 1, 6, [])  # not newer
    cache.moved("t", 0, 8, 7, [])  # nobody knows where it is
    cache.moved("u", 0, 1, 7, [])  # nobody asked
    assert cache.current.leader("t", 0) == 9
