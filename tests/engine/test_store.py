"""The log store: what a start finds, refuses and reports, and what comes and goes while it runs."""

from __future__ import annotations

import errno
import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from kq.engine import checkpoint
from kq.engine.checkpoint import id_text
from kq.engine.directory import DirectoryInUse
from kq.engine.disk import Entry, OsDisk
from kq.engine.log import Log
from kq.engine.partition_names import Kind, parse
from kq.engine.settings import LogSettings
from kq.engine.store import LoadReport, LogStore
from kq.errors import Err, KafkaError
from kq.record.batch import Record, decode_records, encode_batch, iter_batches, parse_header

CLUSTER = "0gOTsVVCTvKp3NVsNyh_Gw"
A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
SETTINGS = LogSettings()


def opened(path: Path) -> LogStore:
    return LogStore.open(OsDisk(), str(path), node_id=1, cluster_id=CLUSTER)


def started(path: Path, topic_ids: Mapping[str, bytes], now_ms: int = 1000) -> tuple[LogStore, LoadReport]:
    store = opened(path)
    return store, store.load(lambda _: SETTINGS, topic_ids, now_ms=now_ms)


def append(log: Log, *values: bytes, producer_id: int = -1, sequence: int = -1) -> None:
    for value in values:
        batch = encode_batch(
            [Record(0, 1000, None, value, ())],
            producer_id=producer_id,
            producer_epoch=0 if producer_id >= 0 else -1,
            base_sequence=sequence,
        )
        log.append(memoryview(batch), parse_header(batch), leader_epoch=0, now_ms=1000)


def values(log: Log) -> list[bytes | None]:
    found: list[bytes | None] = []
    offset = log.log_start_offset
    while region := log.read(offset, 1 << 20, end_offset=log.log_end_offset):
        data = region.read()
        for position, header in iter_batches(data):
            batch = data[position : position + header.size]
            found += [record.value for record in decode_records(batch, limit=1 << 20)]
            offset = header.next_offset
    return found


def must(log: Log | None) -> Log:
    assert log is not None
    return log


def filled(path: Path, topics: Mapping[str, bytes], *, partitions: int = 1) -> None:
    """A directory with these topics, one record `<topic>-<p>` in each partition, closed cleanly."""
    store, _ = started(path, {})
    for topic, topic_id in topics.items():
        for partition in range(partitions):
            append(store.create(topic, partition, topic_id, SETTINGS), f"{topic}-{partition}".encode())
    store.close()


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# ---- starting and stopping


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
    must(store.get("a", 0)).failed = "The disk is broken."
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


# ---- what is refused, and what is a stray


def test_a_foreign_topic_id_is_refused_alone_and_named(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A, "b": B}, partitions=2)
    foreign = tmp_path / "a-1" / checkpoint.PARTITION_METADATA
    foreign.write_bytes(checkpoint.encode_partition_metadata(C))
    before = content(tmp_path / "a-1")
    store, report = started(tmp_path, {"a": A, "b": B})
    (refused,) = report.refused
    assert (refused.topic, refused.partition, refused.path) == ("a", 1, str(tmp_path / "a-1"))
    assert refused.reason == f"its topic id is {id_text(C)}, that of topic a is {id_text(A)}."
    assert report.loaded == 3
    assert store.get("a", 1) is None
    assert store.refusal("a", 1) == refused
    assert store.refusal("a", 0) is None
    with pytest.raises(KafkaError, match=r"a-1 is not served: its topic id") as caught:
        store.create("a", 1, A, SETTINGS)
    assert caught.value.code is Err.KAFKA_STORAGE_ERROR
    store.delete("a", 1, now_ms=1)
    store.close()
    assert content(tmp_path / "a-1") == before


def test_one_mended_is_served_again_where_it_was(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    metadata = tmp_path / "a-0" / checkpoint.PARTITION_METADATA
    metadata.write_bytes(checkpoint.encode_partition_metadata(C))
    store, report = started(tmp_path, {"a": A})
    assert report.loaded == 0
    store.close()
    metadata.write_bytes(checkpoint.encode_partition_metadata(A))
    store, report = started(tmp_path, {"a": A})
    assert (report.loaded, report.scanned) == (1, 0)
    assert values(must(store.get("a", 0))) == [b"a-0"]
    store.close()


def test_one_that_was_never_scanned_is_not_vouched_for_by_the_next_clean_stop(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    metadata = tmp_path / "a-0" / checkpoint.PARTITION_METADATA
    metadata.write_bytes(checkpoint.encode_partition_metadata(C))
    (tmp_path / checkpoint.CLEAN_SHUTDOWN).unlink()
    store, _ = started(tmp_path, {"a": A})
    store.close()
    metadata.write_bytes(checkpoint.encode_partition_metadata(A))
    store, report = started(tmp_path, {"a": A})
    assert (report.was_clean, report.scanned) == (True, 1)
    store.close()


def test_a_copy_under_another_topics_name_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    shutil.copytree(tmp_path / "a-0", tmp_path / "copy-0")
    store, report = started(tmp_path, {"a": A})
    (refused,) = report.refused
    assert refused.reason == f"its topic id {id_text(A)} is that of topic a."
    assert report.strays == ()
    assert report.loaded == 1
    store.close()


def test_of_two_strays_with_one_id_the_second_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A}, partitions=2)
    shutil.copytree(tmp_path / "a-0", tmp_path / "copy-0")
    store, report = started(tmp_path, {})
    topics = {stray.topic for stray in report.strays}
    assert len(topics) == 1
    assert {refused.topic for refused in report.refused} == {"a", "copy"} - topics
    store.close()


def test_a_stray_is_reported_with_its_id_and_left_alone_until_its_topic_is_known(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A, "b": B})
    before = content(tmp_path / "a-0")
    store, report = started(tmp_path, {"b": B})
    (stray,) = report.strays
    assert stray == ("a", 0, A, str(tmp_path / "a-0"))
    assert store.get("a", 0) is None
    store.close()
    assert content(tmp_path / "a-0") == before
    store, report = started(tmp_path, {"a": A, "b": B})
    assert (report.loaded, report.scanned, report.strays) == (2, 0, ())
    assert values(must(store.get("a", 0))) == [b"a-0"]
    store.close()


def test_a_stray_in_the_way_of_a_new_topic_is_set_aside_and_kept(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    before = content(tmp_path / "a-0")
    store, _ = started(tmp_path, {})
    assert checkpoint.decode_offsets((tmp_path / checkpoint.RECOVERY_POINTS).read_bytes()) == {("a", 0): 1}
    log = store.create("a", 0, B, SETTINGS)
    assert (log.log_start_offset, log.log_end_offset) == (0, 0)
    assert checkpoint.decode_offsets((tmp_path / checkpoint.RECOVERY_POINTS).read_bytes()) == {}
    append(log, b"new")
    store.close()
    store, report = started(tmp_path, {"a": B})
    assert values(must(store.get("a", 0))) == [b"new"]
    (name,) = report.ignored
    parsed = parse(name)
    assert parsed is not None
    assert parsed.kind is Kind.STRAY
    assert content(tmp_path / name) == before
    store.close()


@pytest.mark.parametrize("damaged", [None, b"", b"version: 0\ntopic_", b"\0" * 43])
def test_partition_metadata_that_a_crash_took_is_written_again(tmp_path: Path, damaged: bytes | None) -> None:
    filled(tmp_path, {"a": A})
    metadata = tmp_path / "a-0" / checkpoint.PARTITION_METADATA
    metadata.unlink()
    if damaged is not None:
        metadata.write_bytes(damaged)
    store, report = started(tmp_path, {"a": A})
    assert report.loaded == 1
    assert metadata.read_bytes() == checkpoint.encode_partition_metadata(A)
    store.close()


def test_one_partition_that_cannot_be_read_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A}, partitions=3)

    class BadSector(OsDisk):
        def entries(self, directory: str) -> list[Entry]:
            if directory.endswith("a-1"):
                raise OSError(errno.EIO, "Input/output error", directory)
            return super().entries(directory)

    store = LogStore.open(BadSector(), str(tmp_path), node_id=1, cluster_id=CLUSTER)
    report = store.load(lambda _: SETTINGS, {"a": A}, now_ms=1)
    (refused,) = report.refused
    assert refused.partition == 1
    assert refused.reason == f"it cannot be read: [Errno 5] Input/output error: '{tmp_path / 'a-1'}'."
    assert report.loaded == 2
    store.close()


def test_what_is_no_partition_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    for name in ("lost+found", "__cluster_metadata-0", "no-number-"):
        (tmp_path / name).mkdir()
    (tmp_path / "b-0").write_text("a file")
    store, report = started(tmp_path, {"a": A, "b": B})
    assert set(report.ignored) == {"lost+found", "__cluster_metadata-0", "no-number-"}
    assert (report.loaded, report.strays) == (1, ())
    store.close()


# ---- making and deleting


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
    assert log.apply_retention(now_ms=1000, end_offset=log.log_end_offset)
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


# ---- checkpoints


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
