"""What a start finds in a data directory: the refused, the strays, and what is none of its business."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from kq.engine import checkpoint
from kq.engine.checkpoint import id_text
from kq.engine.disk import Entry, OsDisk
from kq.engine.partition_names import Kind, parse
from kq.engine.store import LogStore
from kq.errors import Err, KafkaError
from tests.support.stores import CLUSTER, SETTINGS, A, B, C, append, content, filled, must, started, values


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
    with pytest.raises(KafkaError, match=r"a-1 is not served: its topic id"):
        store.create("a", 1, A, SETTINGS)
    store.delete("a", 1, now_ms=1)
    store.close()
    assert content(tmp_path / "a-1") == before


def set_aside(path: Path) -> Path:
    (found,) = path.glob("*-stray")
    parsed = parse(found.name)
    assert parsed is not None
    assert parsed.kind is Kind.STRAY
    return found


def test_a_stranger_makes_room_for_a_new_topic_of_its_name_and_is_kept(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    (tmp_path / "a-0" / checkpoint.PARTITION_METADATA).write_bytes(checkpoint.encode_partition_metadata(C))
    before = content(tmp_path / "a-0")
    store, _ = started(tmp_path, {"a": A})
    store.delete("a", 0, now_ms=1)
    assert store.refusal("a", 0) is None
    log = store.create("a", 0, B, SETTINGS)
    assert log.log_end_offset == 0
    append(log, b"new")
    assert content(set_aside(tmp_path)) == before
    store.close()
    store, report = started(tmp_path, {"a": B})
    assert report.refused == ()
    assert values(must(store.get("a", 0))) == [b"new"]
    store.close()


def test_a_copy_makes_room_for_a_new_topic_of_its_name_and_is_kept(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    shutil.copytree(tmp_path / "a-0", tmp_path / "copy-0")
    before = content(tmp_path / "copy-0")
    store, report = started(tmp_path, {"a": A})
    assert [one.key for one in report.refused] == [("copy", 0)]
    assert store.refusal("copy", 0) is None
    assert store.create("copy", 0, B, SETTINGS).log_end_offset == 0
    assert content(set_aside(tmp_path)) == before
    store.close()


def test_a_name_that_cannot_be_freed_is_freed_later(tmp_path: Path) -> None:
    filled(tmp_path, {"a": A})
    shutil.copytree(tmp_path / "a-0", tmp_path / "copy-0")

    class Stubborn(OsDisk):
        def rename(self, path: str, new_path: str) -> None:
            raise OSError(errno.EACCES, "Permission denied", path)

    store = LogStore.open(disk := Stubborn(), str(tmp_path), node_id=1, cluster_id=CLUSTER)
    store.load(lambda _: SETTINGS, {"a": A}, now_ms=1)
    before = content(tmp_path / "copy-0")
    with pytest.raises(KafkaError, match=r"Could not make .*/copy-0: Permission denied") as caught:
        store.create("copy", 0, B, SETTINGS)
    assert caught.value.code is Err.KAFKA_STORAGE_ERROR
    assert content(tmp_path / "copy-0") == before
    disk.rename = OsDisk.rename.__get__(disk)  # type: ignore[method-assign]
    store.create("copy", 0, B, SETTINGS)
    assert content(set_aside(tmp_path)) == before
    store.close()


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
    with pytest.raises(KafkaError, match="a-1 is not served: it cannot be read") as caught:
        store.create("a", 1, A, SETTINGS)
    assert caught.value.code is Err.KAFKA_STORAGE_ERROR
    store.delete("a", 1, now_ms=1)
    assert not (tmp_path / "a-1").exists()
    assert store.refusal("a", 1) is None
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
