"""What becomes of directories that the metadata does not know: adopted, finished off, or left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.broker import adoption
from kq.broker.catalog import Catalog
from kq.coordination.sqlite import SqliteStore
from kq.engine.checkpoint import encode_partition_metadata
from kq.engine.disk import OsDisk
from kq.machines.image import PartitionImage, TopicImage

A, B = bytes([1]) * 16, bytes([2]) * 16
PARTITION = PartitionImage(1, 0, (1,), (1,))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    store = SqliteStore(tmp_path / "metadata.db")
    catalog = Catalog(store)
    catalog.cluster_id("c")
    yield catalog
    store.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def copied_in(data: Path, name: str, topic_id: bytes | None) -> None:
    (data / name).mkdir()
    if topic_id is not None:
        (data / name / "partition.metadata").write_bytes(encode_partition_metadata(topic_id))


def settled(data: Path, catalog: Catalog) -> dict[str, tuple[bytes, int]]:
    adoption.settle(OsDisk(), str(data), catalog, 1)
    return {topic.name: (topic.id, len(topic.partitions)) for topic in catalog.read(1).topics.values()}


def live(data: Path) -> list[str]:
    return sorted(path.name for path in data.iterdir() if not path.name.endswith("-delete"))


def test_a_topic_has_as_many_partitions_as_its_highest_number_asks_for(data: Path, catalog: Catalog) -> None:
    copied_in(data, "t-0", A)
    copied_in(data, "t-11", A)
    assert settled(data, catalog) == {"t": (A, 12)}
    assert settled(data, catalog) == {"t": (A, 12)}, "once"


def test_the_id_of_the_lowest_partition_that_has_one_counts(data: Path, catalog: Catalog) -> None:
    copied_in(data, "t-0", None)
    copied_in(data, "t-1", B)
    copied_in(data, "t-2", A)
    assert settled(data, catalog) == {"t": (B, 3)}


def test_without_any_id_a_new_one_is_made(data: Path, catalog: Catalog) -> None:
    copied_in(data, "t-0", None)
    ((topic_id, count),) = settled(data, catalog).values()
    assert count == 1
    assert topic_id not in (A, B, bytes(16))


@pytest.mark.parametrize("name", ["t-2000000000", "__cluster_metadata-0", "no partition"])
def test_what_cannot_be_a_topic_is_left_alone(name: str, data: Path, catalog: Catalog) -> None:
    copied_in(data, name, A)
    assert settled(data, catalog) == {}
    assert live(data) == [name]


@pytest.mark.parametrize("topic_id", [A, None], ids=["its id", "no id: the file was not synced"])
def test_a_deletion_that_was_cut_short_is_finished(topic_id: bytes | None, data: Path, catalog: Catalog) -> None:
    topic = TopicImage("t", A, (PARTITION,) * 3, {})
    catalog.create_topics([topic])
    catalog.delete_topics([topic])
    for index in range(3):
        copied_in(data, f"t-{index}", topic_id)
    copied_in(data, "other-0", B)
    assert settled(data, catalog) == {"other": (B, 1)}
    assert live(data) == ["other-0"]
    assert len(list(data.iterdir())) == 4, "they are collected in the background"
    assert catalog.pending_deletions() == {}


def test_an_unfinished_deletion_does_not_touch_the_new_topic_of_its_name(data: Path, catalog: Catalog) -> None:
    old, new = TopicImage("t", A, (PARTITION,) * 3, {}), TopicImage("t", B, (PARTITION,) * 2, {})
    catalog.create_topics([old])
    catalog.delete_topics([old])
    catalog.create_topics([new])
    copied_in(data, "t-0", B)
    copied_in(data, "t-1", None)
    copied_in(data, "t-2", A)
    assert settled(data, catalog) == {"t": (B, 2)}
    assert live(data) == ["t-0", "t-1"]
