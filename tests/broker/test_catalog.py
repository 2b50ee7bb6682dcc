"""What one transaction of the catalog writes, another broker reads; what does not fit is refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.broker.catalog import Catalog
from kq.coordination import layout
from kq.coordination.layout import BrokerRegistration, Endpoint
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Delete
from kq.errors import Err, KafkaError
from kq.machines.image import PartitionImage, TopicImage

HERE = PartitionImage(1, 0, (1,), (1,))
ENDPOINTS = (Endpoint("INSIDE", "PLAINTEXT", "10.0.0.1", 9092), Endpoint("OUTSIDE", "PLAINTEXT", "kafka.org", 9999))
REGISTRATION = BrokerRegistration(ENDPOINTS, "rack-1", 1_000)


def topic(name: str, partitions: int = 1, number: int = 1, **settings: str) -> TopicImage:
    return TopicImage(name, bytes([number]) * 16, (HERE,) * partitions, settings)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "metadata.db")
    yield store
    store.close()


@pytest.fixture
def catalog(store: SqliteStore) -> Catalog:
    catalog = Catalog(store)
    catalog.cluster_id("the-cluster")
    return catalog


def test_the_first_cluster_id_stays(catalog: Catalog) -> None:
    assert catalog.cluster_id("another") == "the-cluster"
    assert catalog.read(1).cluster_id == "the-cluster"


def test_topics_are_read_as_they_were_made_grown_and_set(catalog: Catalog) -> None:
    a, b = topic("a", 2, 1, **{"retention.ms": "5"}), topic("b", 12, 2)
    catalog.create_topics([a, b])
    assert catalog.read(1).topics == {"a": a, "b": b}
    assert catalog.topic_ids() == {"a": a.id, "b": b.id}
    grown = topic("a", 11, 1, **{"retention.ms": "5"})
    catalog.add_partitions(a, grown)
    plain = topic("a", 11, 1)
    set_b = topic("b", 12, 2, **{"flush.ms": "1"})
    assert catalog.read(1).topics["a"] == grown
    catalog.set_topic_settings(plain)
    catalog.set_topic_settings(set_b)
    image = catalog.read(1)
    assert image.topics == {"a": plain, "b": set_b}
    assert image.topic_names == {a.id: "a", b.id: "b"}


def test_settings_of_brokers(catalog: Catalog) -> None:
    catalog.start(catalog.read(1), 1, REGISTRATION, {})
    for node_id in (None, 1):
        for settings in ({"num.partitions": str(node_id)}, {}, {"num.partitions": "9"}):
            catalog.set_broker_settings(node_id, settings)
            assert catalog.read(1).broker_settings[node_id] == settings


def test_a_start_leads_in_a_higher_epoch_than_metadata_and_logs_know(catalog: Catalog) -> None:
    foreign = PartitionImage(2, 7, (2,), (2,))
    catalog.create_topics([TopicImage("t", bytes(16), (HERE, HERE, foreign), {})])
    started = catalog.start(catalog.read(1), 1, REGISTRATION, {("t", 1): 41})
    assert [p.leader_epoch for p in started.topics["t"].partitions] == [1, 42, 7]
    assert [p.leader for p in started.topics["t"].partitions] == [1, 1, 2]
    assert catalog.read(1) == started
    again = catalog.start(catalog.read(1), 1, REGISTRATION, {("t", 1): 41})
    assert [p.leader_epoch for p in again.topics["t"].partitions] == [2, 43, 7]


def test_a_broker_is_registered_with_the_address_of_each_listener(catalog: Catalog) -> None:
    here = catalog.start(catalog.read(1), 1, REGISTRATION, {}).brokers[1]
    assert (here.host, here.port, here.rack) == ("10.0.0.1", 9092, "rack-1")
    assert here.at("INSIDE") == ("10.0.0.1", 9092)
    assert here.at("OUTSIDE") == ("kafka.org", 9999)
    assert here.at("NOBODY") == ("10.0.0.1", 9092)


def test_a_deleted_topic_is_gone_and_pending_until_it_is_finished(catalog: Catalog, store: SqliteStore) -> None:
    old = topic("t", 3, 1, **{"retention.ms": "5"})
    catalog.create_topics([old, topic("other", 1, 9)])
    kept = store.tree(layout.topic_path("other"))
    catalog.delete_topics([old])
    assert sorted(catalog.read(1).topics) == ["other"]
    assert catalog.pending_deletions() == {old.id: "t"}
    assert not store.tree(layout.topic_path("t"))
    assert store.get(layout.topic_settings_path("t")) is None
    assert store.tree(layout.topic_path("other")) == kept
    new = topic("t", 1, 2)
    catalog.create_topics([new])
    catalog.delete_topics([new])
    assert catalog.pending_deletions() == {old.id: "t", new.id: "t"}, "both: of one name, and not of one id"
    catalog.finish_deletions([old.id])
    assert catalog.pending_deletions() == {new.id: "t"}


def test_what_does_not_fit_is_refused_whole(catalog: Catalog, store: SqliteStore) -> None:
    catalog.create_topics([topic("t")])
    before = store.tree("/")
    with pytest.raises(KafkaError) as refused:
        catalog.create_topics([topic("new", 1, 2), topic("t", 1, 3)])
    assert refused.value.code == Err.UNKNOWN_SERVER_ERROR
    assert "/brokers/topics/t" in str(refused.value)
    assert store.tree("/") == before
    store.transact([Delete(layout.state_path("t", 0))])
    with pytest.raises(KafkaError):
        catalog.delete_topics([topic("t")])
    assert catalog.pending_deletions() == {}
