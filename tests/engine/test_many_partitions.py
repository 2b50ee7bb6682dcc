"""10,000 partitions on one broker: what a start costs is told, how many files may be open is held."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PARTITIONS = 10_000
OPEN_FILES = 128

# Each phase in a process of its own, so that memory and descriptors are those of the store alone.
PHASE = """
import json, os, resource, sys, time
from kq.engine.disk import OsDisk
from kq.engine.settings import LogSettings
from kq.engine.store import LogStore
from kq.record.batch import Record, encode_batch, parse_header

phase, path, partitions, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
topics = {f"topic-{n}": bytes([n + 1]) * 16 for n in range(100)}
most_open = 0

def look():
    global most_open
    most_open = max(most_open, len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else disk.open_files)

def append(log, value):
    batch = encode_batch([Record(0, 1000, None, value, ())], producer_id=5, producer_epoch=0, base_sequence=0)
    log.append(memoryview(batch), parse_header(batch), leader_epoch=0, now_ms=1)

disk = OsDisk(limit)
started = time.perf_counter()
store = LogStore.open(disk, path, node_id=1, cluster_id="0gOTsVVCTvKp3NVsNyh_Gw")
report = store.load(lambda _: LogSettings(), topics if phase != "create" else {}, now_ms=1)
load_s = time.perf_counter() - started
look()
started = time.perf_counter()
if phase == "create":
    with store.one_sync():
        for number in range(partitions):
            topic = f"topic-{number % 100}"
            log = store.create(topic, number // 100, topics[topic], LogSettings())
            if number % 25 == 0:
                append(log, b"%d" % number)
            if number % 1000 == 0:
                look()
create_s = time.perf_counter() - started
if phase == "read":
    for number in range(partitions):
        log = store.get(f"topic-{number % 100}", number // 100)
        region = log.read(0, 1 << 20, end_offset=log.log_end_offset)
        assert (region is None) == bool(number % 25), number
        assert region is None or str(number).encode() in region.read()
        if number % 1000 == 0:
            look()
look()
rss_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
store.close(clean=phase == "create")
close_s = time.perf_counter() - started
look()
print(json.dumps({
    "load_s": load_s, "create_s": create_s, "close_s": close_s, "rss_mib": rss_kib / 1024, "most_open": most_open,
    "loaded": report.loaded, "scanned": report.scanned,
}))
"""


def phase(name: str, path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", PHASE, name, str(path), str(PARTITIONS), str(OPEN_FILES)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, float] = json.loads(done.stdout)
    return result


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where that can be had: making 30,000 files takes some real file systems half a minute."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.slow
def test_ten_thousand_partitions(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = phase("create", place)
    clean = phase("read", place)
    killed = phase("scan", place)
    with capsys.disabled():
        print(
            f"\n{PARTITIONS} partitions: made in {made['create_s']:.1f} s, closed in {made['close_s']:.1f} s;"
            f" start after a clean stop {clean['load_s']:.1f} s, after a kill {killed['load_s']:.1f} s;"
            f" {clean['rss_mib']:.0f} MiB resident; at most {clean['most_open']:.0f} files open (limit {OPEN_FILES})"
        )
    assert (clean["loaded"], clean["scanned"]) == (PARTITIONS, 0)
    assert (killed["loaded"], killed["scanned"]) == (PARTITIONS, PARTITIONS)
    for each in (made, clean, killed):
        assert each["most_open"] <= OPEN_FILES + 16  # standard streams, lock, a directory being listed
