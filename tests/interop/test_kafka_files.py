"""The small files Apache Kafka leaves behind, read and written by kq's codecs; and those of kq, read by Apache Kafka.

One Kafka is started twice (so that there are two leader epochs), fed with idempotent and transactional batches, and
stopped. What its `.snapshot`, `.txnindex` and `leader-epoch-checkpoint` say must follow from its `.log` by kq's rules.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.engine import checkpoint, producer_snapshot, txnindex
from kq.engine.directory import DataDirectory, ForeignDirectory
from kq.engine.disk import OsDisk
from kq.engine.epochs import EpochCache
from kq.engine.partition_names import Kind, parse
from kq.engine.producers import ProducerStates
from kq.engine.settings import LogSettings
from kq.engine.store import LogStore
from kq.engine.survey import survey
from kq.record.batch import BatchHeader, Record, encode_batch, iter_batches, parse_header
from kq.record.control import EndOfTransaction, read_marker
from tests.support import peers, topics
from tests.support.peers import Kafka

pytestmark = pytest.mark.java

# Ends without a word while a transaction is open: Kafka's snapshot then has one.
STORY = """
import os, sys
from confluent_kafka import Producer
def producer(name):
    made = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": name, "linger.ms": 0})
    made.init_transactions(60)
    return made
first, second = producer("first"), producer("second")
def transaction(who, end, count=4):
    who.begin_transaction()
    for i in range(count):
        who.produce("txn", b"x" * 700, partition=0)
        who.flush()
    getattr(who, end)()
for _ in range(12):
    transaction(first, "commit_transaction")
    transaction(first, "abort_transaction")
    transaction(second, "abort_transaction")
second.begin_transaction()
second.produce("txn", b"left open", partition=0)
second.flush()
transaction(first, "abort_transaction")
idempotent = Producer({"bootstrap.servers": sys.argv[1], "enable.idempotence": True, "linger.ms": 0})
for i in range(30):
    idempotent.produce("idempotent", b"y" * 300, partition=i % 2)
    idempotent.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with peers.running(tmp_path_factory.mktemp("kafka")) as kafka:
        small = {"internal.segment.bytes": "16384"}
        topics.create(kafka.bootstrap, "txn", 1, small)
        topics.create(kafka.bootstrap, "idempotent", 2, {"internal.segment.bytes": "2048"})
        topics.create(kafka.bootstrap, "empty", 1)
        for _ in range(2):
            subprocess.run([sys.executable, "-c", STORY, kafka.bootstrap], check=True, timeout=90, capture_output=True)
            kafka.stop()
            kafka.start()
        kafka.stop()
        yield kafka


def partition_directories(kafka: Kafka) -> list[Path]:
    return [
        path for path in sorted(kafka.data_dir.iterdir()) if path.is_dir() and "__cluster_metadata" not in path.name
    ]


def files(kafka: Kafka, suffix: str) -> list[Path]:
    found = [path for directory in partition_directories(kafka) for path in sorted(directory.glob("*" + suffix))]
    assert found, f"Kafka left no {suffix} file"
    return found


def batches(directory: Path) -> Iterator[tuple[BatchHeader, EndOfTransaction | None]]:
    for path in sorted(directory.glob("*.log")):
        data = path.read_bytes()
        for position, header in iter_batches(data):
            batch = data[position : position + header.size]
            yield header, read_marker(batch) if header.is_control else None


def test_every_directory_name_is_understood(stopped: Kafka) -> None:
    for path in partition_directories(stopped):
        found = parse(path.name)
        assert found is not None
        assert (f"{found.topic}-{found.partition}", found.kind) == (path.name, Kind.LIVE)


def test_partition_metadata(stopped: Kafka) -> None:
    ids: dict[str, set[bytes]] = {}
    for path in files(stopped, checkpoint.PARTITION_METADATA):
        topic_id = checkpoint.decode_partition_metadata(path.read_bytes())
        ids.setdefault(path.parent.name.rpartition("-")[0], set()).add(topic_id)
        assert checkpoint.encode_partition_metadata(topic_id) == path.read_bytes()
    assert {"txn", "idempotent"} <= set(ids)
    assert all(len(of_topic) == 1 for of_topic in ids.values())


@pytest.mark.parametrize("name", [checkpoint.RECOVERY_POINTS, checkpoint.LOG_STARTS, checkpoint.HIGH_WATERMARKS])
def test_offset_checkpoints(stopped: Kafka, name: str) -> None:
    data = (stopped.data_dir / name).read_bytes()
    offsets = checkpoint.decode_offsets(data)
    assert checkpoint.encode_offsets(offsets) == data
    if name != checkpoint.LOG_STARTS:
        ends = {("txn", 0), ("idempotent", 0), ("idempotent", 1)}
        for topic, partition in ends:
            *_, (last, _) = batches(stopped.data_dir / f"{topic}-{partition}")
            assert offsets[topic, partition] == last.next_offset


def test_meta_properties_and_the_clean_shutdown_marker(stopped: Kafka) -> None:
    meta = checkpoint.decode_meta_properties((stopped.data_dir / checkpoint.META_PROPERTIES).read_bytes())
    assert meta.node_id == 1
    assert len(checkpoint.id_bytes(meta.cluster_id)) == len(checkpoint.id_bytes(meta.directory_id)) == 16
    marker = (stopped.data_dir / checkpoint.CLEAN_SHUTDOWN).read_bytes()
    assert checkpoint.encode_clean_shutdown(checkpoint.decode_clean_shutdown(marker)) == marker


def test_the_data_directory_opens_for_its_own_node_and_cluster_only(stopped: Kafka) -> None:
    meta = checkpoint.decode_meta_properties((stopped.data_dir / checkpoint.META_PROPERTIES).read_bytes())
    path = str(stopped.data_dir)
    with pytest.raises(ForeignDirectory, match=f"belongs to cluster {meta.cluster_id}"):
        DataDirectory.open(OsDisk(), path, node_id=1, cluster_id="AAAAAAAAAAAAAAAAAAAAAQ")
    with pytest.raises(ForeignDirectory, match="belongs to node 1, this broker is node 2"):
        DataDirectory.open(OsDisk(), path, node_id=2, cluster_id=meta.cluster_id)
    directory = DataDirectory.open(OsDisk(), path, node_id=1, cluster_id=meta.cluster_id)
    assert directory.was_clean
    assert directory.meta == meta
    directory.release()


def test_leader_epochs_follow_from_the_log(stopped: Kafka) -> None:
    seen = set()
    for path in files(stopped, checkpoint.LEADER_EPOCHS):
        entries = checkpoint.decode_epochs(path.read_bytes())
        assert checkpoint.encode_epochs(entries) == path.read_bytes()
        cache = EpochCache()
        for header, _ in batches(path.parent):
            cache.assign(header.leader_epoch, header.base_offset)
        assert [entry for entry in entries if entry[0] <= cache.latest] == list(cache.entries)
        seen.add(len(cache.entries))
    assert 2 in seen  # epochs 0 and 2: the restart


def test_snapshots_follow_from_the_log(stopped: Kafka) -> None:
    with_producers = with_open = 0
    for path in files(stopped, ".snapshot"):
        data, offset = path.read_bytes(), int(path.stem)
        decoded = producer_snapshot.decode(data)
        assert producer_snapshot.encode(decoded) == data
        rebuilt = ProducerStates()
        for header, end in batches(path.parent):
            if header.base_offset < offset:
                rebuilt.update(header, header.base_offset, now_ms=0, end=end)
        assert entries(producer_snapshot.encode(rebuilt)) == entries(data), path
        assert decoded.first_undecided_offset == rebuilt.first_undecided_offset
        with_producers += bool(decoded.entries)
        with_open += decoded.first_undecided_offset is not None
    assert with_producers > 5
    assert with_open


def entries(snapshot: bytes) -> set[bytes]:
    """Kafka's order is that of a hash map."""
    assert (len(snapshot) - 10) % 46 == 0
    return {snapshot[at : at + 46] for at in range(10, len(snapshot), 46)}


def test_transaction_indexes_follow_from_the_log(stopped: Kafka) -> None:
    found = files(stopped, ".txnindex")
    assert len(found) > 1
    states, indexed = ProducerStates(), dict.fromkeys((int(path.stem) for path in found), b"")
    bases = sorted(int(path.stem) for path in found[0].parent.glob("*.log"))
    for header, end in batches(found[0].parent):
        done = states.update(header, header.base_offset, now_ms=0, end=end)
        if done is not None and done.is_abort:
            entry = txnindex.AbortedTransaction(
                done.producer_id, done.first_offset, done.last_offset, done.last_stable_offset
            )
            indexed[max(base for base in bases if base <= header.base_offset)] += txnindex.encode(entry)
    for path in found:
        data = path.read_bytes()
        assert indexed[int(path.stem)] == data
        assert b"".join(map(txnindex.encode, txnindex.decode(data, int(path.stem)))) == data


COMPLAINTS = (
    "Failed to load producer snapshot",
    "CorruptSnapshot",
    "CorruptIndex",
    "Malformed",
    "Error occurred while reading",
    "Recovering",
    "recovering",
)


def complaints_at_start(kafka: Kafka) -> list[str]:
    """What Kafka says of its files when it starts on them; in between, what was stable before is served."""
    log = kafka.directory / "node-1.log"
    before = len(log.read_text())
    *_, (last, _) = batches(kafka.data_dir / "txn-0")
    kafka.start()
    try:
        done = peers.run("kafka-get-offsets", "--bootstrap-server", kafka.bootstrap, "--topic", "txn")
        assert int(done.stdout.strip().rsplit(":", 1)[1]) >= last.next_offset
    finally:
        kafka.stop()
    return [line for line in log.read_text()[before:].splitlines() if any(word in line for word in COMPLAINTS)]


def test_kafka_takes_every_file_back_as_kq_writes_it(stopped: Kafka) -> None:
    root = stopped.data_dir
    for path in files(stopped, ".snapshot"):
        path.write_bytes(producer_snapshot.encode(producer_snapshot.decode(path.read_bytes())))
    for path in files(stopped, checkpoint.LEADER_EPOCHS):
        path.write_bytes(checkpoint.encode_epochs(checkpoint.decode_epochs(path.read_bytes())))
    for path in files(stopped, checkpoint.PARTITION_METADATA):
        path.write_bytes(checkpoint.encode_partition_metadata(checkpoint.decode_partition_metadata(path.read_bytes())))
    for name in (checkpoint.RECOVERY_POINTS, checkpoint.LOG_STARTS, checkpoint.HIGH_WATERMARKS):
        (root / name).write_bytes(checkpoint.encode_offsets(checkpoint.decode_offsets((root / name).read_bytes())))
    meta = root / checkpoint.META_PROPERTIES
    meta.write_bytes(checkpoint.encode_meta_properties(checkpoint.decode_meta_properties(meta.read_bytes())))
    (root / checkpoint.CLEAN_SHUTDOWN).write_bytes(checkpoint.encode_clean_shutdown(12))
    assert complaints_at_start(stopped) == []


def test_kq_takes_over_a_whole_data_directory_and_gives_it_back(stopped: Kafka) -> None:
    """Opened by kq without a scan, for Kafka had stopped cleanly; written to, closed; then it is Kafka's again."""
    disk, path = OsDisk(), str(stopped.data_dir)
    meta = checkpoint.decode_meta_properties((stopped.data_dir / checkpoint.META_PROPERTIES).read_bytes())
    ids = {found.topic: found.topic_id for found in survey(disk, path, {}).strays if found.topic_id is not None}
    assert {"txn", "idempotent"} <= set(ids)
    store = LogStore.open(disk, path, node_id=1, cluster_id=meta.cluster_id)
    report = store.load(lambda _: LogSettings(), ids, now_ms=1)
    assert (report.was_clean, report.scanned, report.refused) == (True, 0, ())
    for one in store.logs():
        *_, (last, _) = [(None, None), *batches(Path(one.directory))]
        assert one.log_end_offset == (last.next_offset if last else 0)
    assert store.highest_producer_id() >= 2
    log = store.get("idempotent", 0)
    assert log is not None
    end = log.log_end_offset
    batch = encode_batch([Record(0, 1_700_000_000_000, b"written", b"by kq", ())])
    log.append(memoryview(batch), parse_header(batch), leader_epoch=log.leader_epoch, now_ms=1)
    store.close()
    assert complaints_at_start(stopped) == []
    recovered = producer_snapshot.decode(max((stopped.data_dir / "txn-0").glob("*.snapshot")).read_bytes())
    assert recovered.entries
    *_, (last, _) = batches(stopped.data_dir / "idempotent-0")
    assert last.next_offset == end + 1


def test_the_referee_does_complain_of_a_damaged_snapshot(stopped: Kafka) -> None:
    newest = max((stopped.data_dir / "txn-0").glob("*.snapshot"))
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    assert any(newest.name in line for line in complaints_at_start(stopped))
