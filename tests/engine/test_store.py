"""Starting and stopping the log store: what is scanned, what is vouched for, what the checkpoints say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kq.engine import checkpoint
from kq.engine.directory import DirectoryInUse
from kq.engine.settings import LogSettings
from kq.engine.store import LoadReport
from kq.errors import Err, KafkaError
from tests.support.stores import SETTINGS, A, B, C, append, filled, must, opened, started, values


def test_what_was_written_is_there_after_a_clean_stop_and_nothing_is_scanned(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A, "b.c": B}, partitions=3)
    assert (tmp_path / checkpoint.CLEAN_SHUTDOWN).exists()
    store, report = started(tmp_path, {"a": A, "b.c": B, "only-in-the-metadata": C})
    assert report == LoadReport(was_clean=True, loaded=6, scanned=0, refused=(), strays=(), ignored=())
    assert not (tmp_path / checkpoint.CLEAN_SHUTDOWN).exists()
    for topic in ("a", "b.c"):
        for partition in range(3):
            log = must(store.get(topic, partition))
            assert values(log) == [f"{topic}-{partition}".encode()]
            assert log.recovery_point == log.log_end_offset == 1
    assert store.get("a", 3) is None
    assert len(store.logs()) == 6
    store.close()


def test_without_the_marker_everything_is_scanned_in_threads_and_told(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A}, partitions=9)
    (tmp_path / checkpoint.CLEAN_SHUTDOWN).unlink()
    store = opened(tmp_path)
    told: list[tuple[int, int]] = []
    report = store.load(
        lambda _: SETTINGS, {"a": A}, now_ms=1, workers=3, progress=lambda done, of: told.append((done, of))
    )
    assert (report.was_clean, report.loaded, report.scanned) == (False, 9, 9)
    assert told == [(done, 9) for done in range(1, 10)]
    assert values(must(store.get("a", 8))) == [b"a-8"]
    store.close()


def test_settings_are_asked_for_once_a_topic(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A, "b": B}, partitions=4)
    asked: list[str] = []

    def settings_for(topic: str) -> LogSettings:
        asked.append(topic)
        return LogSettings(segment_bytes=1 << 20 if topic == "a" else 1 << 21)

    store = opened(tmp_path)
    store.load(settings_for, {"a": A, "b": B}, now_ms=1)
    assert sorted(asked) == ["a", "b"]
    assert must(store.get("b", 3)).settings.segment_bytes == 1 << 21
    store.close()


def test_a_process_that_dies_leaves_no_marker_and_loses_nothing(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    store, _ = started(tmp_path, {"a": A})
    append(must(store.get("a", 0)), b"more")
    store.close(clean=False)
    store, report = started(tmp_path, {"a": A})
    assert (report.was_clean, report.scanned) == (False, 1)
    assert values(must(store.get("a", 0))) == [b"a-0", b"more"]
    store.close()


def test_a_start_that_ends_before_loading_costs_no_scan(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    opened(tmp_path).close()
    store, report = started(tmp_path, {"a": A})
    assert report.was_clean
    store.close()


def test_a_start_that_ends_before_loading_vouches_for_nothing(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    (tmp_path / checkpoint.CLEAN_SHUTDOWN).unlink()
    opened(tmp_path).close()
    store, report = started(tmp_path, {"a": A})
    assert not report.was_clean
    store.close()


def test_a_directory_copied_in_is_scanned_though_the_stop_was_clean(tmp_path: Path) -> None:
    filled(tmp_path / "from", {"a": A})
    filled(tmp_path / "to", {"b": B})
    shutil.copytree(tmp_path / "from" / "a-0", tmp_path / "to" / "a-0")
    store, report = started(tmp_path / "to", {"a": A, "b": B})
    assert (report.was_clean, report.loaded, report.scanned) == (True, 2, 1)
    assert values(must(store.get("a", 0))) == [b"a-0"]
    store.close()


def test_the_directory_is_held_and_freed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(DirectoryInUse):
        opened(tmp_path)
    store.close()
    opened(tmp_path).close()


def test_a_log_that_cannot_be_closed_keeps_the_marker_away(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A}, partitions=2)
    store, _ = started(tmp_path, {"a": A})
    must(store.get("a", 0))._health.failed = "The disk is broken."
    with pytest.raises(KafkaError, match=r"1 could not be closed; the first: a-0: The disk is broken\.") as caught:
        store.close()
    assert caught.value.code is Err.KAFKA_STORAGE_ERROR
    store, report = started(tmp_path, {"a": A})
    assert (report.was_clean, report.loaded) == (False, 2)
    store.close()


def test_producer_ids_are_known_after_a_clean_start_without_reading_a_log(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    assert store.highest_producer_id() == -1
    for partition, producer_id in enumerate([7, 4711, 12]):
        append(store.create("a", partition, A, SETTINGS), b"x", producer_id=producer_id, sequence=0)
    assert store.highest_producer_id() == 4711
    store.close()
    store, _ = started(tmp_path, {"a": A})
    assert store.highest_producer_id() == 4711
    store.close()


def test_the_checkpoints_say_what_the_logs_say(tmp_path: Path) -> None:
    store, _ = started(tmp_path, {})
    first, second = store.create("a", 0, A, SETTINGS), store.create("a", 1, A, SETTINGS)
    append(first, *[b"x"] * 10)
    flush = first.begin_flush()
    assert flush is not None
    flush.run()
    first.finish_flush(flush)
    append(first, b"y")
    append(second, *[b"x"] * 5)
    second.advance_start(3)

    def written(name: str) -> dict[tuple[str, int], int]:
        return checkpoint.decode_offsets((tmp_path / name).read_bytes())

    store.checkpoint()
    assert written(checkpoint.RECOVERY_POINTS) == {("a", 0): 10, ("a", 1): 0}
    assert written(checkpoint.LOG_STARTS) == {("a", 1): 3}
    assert written(checkpoint.HIGH_WATERMARKS) == {("a", 0): 11, ("a", 1): 5}
    store.checkpoint({("a", 0): 4, ("a", 1): 2})
    assert written(checkpoint.HIGH_WATERMARKS) == {("a", 0): 4, ("a", 1): 2}
    store.close(clean=False)
    store = opened(tmp_path)
    assert store.high_watermarks == {("a", 0): 4, ("a", 1): 2}
    store.load(lambda _: SETTINGS, {"a": A}, now_ms=1)
    assert must(store.get("a", 1)).log_start_offset == 3
    assert must(store.get("a", 0)).recovery_point == 10
    store.close()
