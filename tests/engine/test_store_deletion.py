"""Partitions made and deleted while the store runs, and their files collected."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from kq.engine import checkpoint
from kq.engine.partition_names import Kind, parse
from kq.engine.settings import LogSettings
from tests.support.batches import retain
from tests.support.stores import SETTINGS, A, B, append, filled, must, started, values


def test_create_twice_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    store.create("a", 0, A, SETTINGS)
    with pytest.raises(ValueError, match="a-0 is there already"):
        store.create("a", 0, A, SETTINGS)
    store.close()


def test_a_directory_is_made_as_kafka_makes_it(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    store.create("a", 3, A, SETTINGS)
    metadata = (tmp_path / "a-3" / checkpoint.PARTITION_METADATA).read_bytes()
    assert metadata == checkpoint.encode_partition_metadata(A)
    store.close()


def test_a_deleted_partition_is_gone_at_once_and_its_files_later(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A, "b": B})
    store, _ = started(tmp_path, {"a": A, "b": B})
    store.delete("a", 0, now_ms=5000)
    assert store.get("a", 0) is None
    assert not (tmp_path / "a-0").exists()
    (doomed,) = tmp_path.glob("*-delete")
    parsed = parse(doomed.name)
    assert parsed == ("a", 0, Kind.DELETED)
    assert not store.collect(5000 + SETTINGS.file_delete_delay_ms - 1)
    assert doomed.exists()
    assert not store.collect(5000 + SETTINGS.file_delete_delay_ms)
    assert not doomed.exists()
    assert values(must(store.get("b", 0))) == [b"b-0"]
    store.delete("a", 0, now_ms=6000)  # once more: nothing to do
    store.close()


def test_the_longest_topic_name_can_be_deleted(tmp_path: Path) -> None:
    topic = "x" * 249
    store, _ = started(tmp_path, {})
    for _ in range(2):
        store.create(topic, 0, A, SETTINGS)
        store.delete(topic, 0, now_ms=1)
    assert [len(path.name) for path in tmp_path.glob("*-delete")] == [255, 255]
    store.close()


def test_a_large_directory_goes_a_few_files_at_a_time(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    store.create("a", 0, A, SETTINGS)
    for number in range(150):
        (tmp_path / "a-0" / f"{number:020d}.log").touch()
    store.delete("a", 0, now_ms=0)
    (doomed,) = tmp_path.glob("*-delete")
    left = []
    now_ms = SETTINGS.file_delete_delay_ms
    while store.collect(now_ms):
        left.append(len(list(doomed.iterdir())))
    assert [before - after for before, after in itertools.pairwise([151, *left])] == [64, 64]
    assert not doomed.exists()
    store.close()


def test_segments_that_a_log_let_go_of_are_collected_too(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    settings = LogSettings(segment_bytes=200, retention_bytes=0)
    log = store.create("a", 0, A, settings)
    append(log, b"x" * 100, b"y" * 100)
    assert retain(log, 1000, log.log_end_offset)
    store.collect(1000)
    assert list((tmp_path / "a-0").glob("*.deleted"))
    store.collect(1000 + settings.file_delete_delay_ms)
    assert not list((tmp_path / "a-0").glob("*.deleted"))
    store.close()


def test_the_leftovers_of_a_deletion_are_collected_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    store, _ = started(tmp_path, {"a": A})
    store.delete("a", 0, now_ms=1000)
    store.close()
    (doomed,) = tmp_path.glob("*-delete")
    store, report = started(tmp_path, {})
    assert (report.loaded, report.strays, report.ignored) == (0, (), ())
    store.collect(1000)
    assert not doomed.exists()
    store.close()


def test_a_future_copy_goes_only_beside_the_live_one(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    beside = tmp_path / f"a-0.{A.hex()}-future"
    alone = tmp_path / f"b-0.{A.hex()}-future"
    beside.mkdir()
    alone.mkdir()
    store, report = started(tmp_path, {"a": A})
    store.collect(1000)
    assert not beside.exists()
    assert alone.exists()
    assert report.ignored == (alone.name,)
    store.close()


def test_a_topic_made_anew_inherits_nothing(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    old = store.create("a", 0, A, SETTINGS)
    append(old, *[b"old"] * 10)
    old.advance_start(8)
    store.checkpoint()
    store.close()
    store, _ = started(tmp_path, {"a": A})
    store.delete("a", 0, now_ms=1)
    new = store.create("a", 0, B, SETTINGS)
    append(new, b"new")
    store.close(clean=False)
    for name in (checkpoint.RECOVERY_POINTS, checkpoint.LOG_STARTS):
        assert checkpoint.decode_offsets((tmp_path / name).read_bytes()) == {}
    store, report = started(tmp_path, {"a": B})
    assert not report.refused
    assert values(must(store.get("a", 0))) == [b"new"]
    store.close()
