"""kafka-dump-log as a referee: runs it over a partition's files, parses what it prints and says what is wrong.

It exits 0 on wrong index entries, on a bad CRC, on a torn tail. So its words are read, and what it does not compare is
compared here: batches lie end to end and fill the file, offsets rise, every index entry names a batch that exists.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import peers

SUFFIXES = (".log", ".index", ".timeindex", ".txnindex", ".snapshot")
TIMEOUT_S = 300

# What the tool says of a fault, on stdout or stderr. The tool's own log lines ("WARN") are not about the files.
FAULT = re.compile(
    r"Mismatches in|Found timestamp mismatch|isvalid: false|out of order|Exception|indexed offsets are not found"
    r"|invalid bytes at the end|(?i:corrupt)|Error "
)
BATCH = re.compile(
    r"baseOffset: (?P<base>\d+) lastOffset: (?P<last>\d+) count: (?P<count>\d+) baseSequence: (?P<sequence>-?\d+) "
    r"lastSequence: -?\d+ producerId: (?P<producer>-?\d+) producerEpoch: (?P<producer_epoch>-?\d+) "
    r"partitionLeaderEpoch: (?P<epoch>-?\d+) isTransactional: \w+ isControl: (?P<control>\w+) .*?"
    r"position: (?P<position>\d+) "
    r"(?:CreateTime|LogAppendTime): (?P<timestamp>-?\d+) size: (?P<size>\d+) magic: 2 compresscodec: (?P<codec>\w+) "
    r"crc: \d+ isvalid: true"
)
RECORD = re.compile(r"\| offset: (\d+) ")
INDEX_ENTRY = re.compile(r"offset: (\d+) position: (\d+)$")
TIME_ENTRY = re.compile(r"timestamp: (-?\d+) offset: (\d+)$")


@dataclass(frozen=True)
class Batch:
    base_offset: int
    last_offset: int
    count: int
    position: int
    size: int
    leader_epoch: int
    producer_id: int
    base_sequence: int
    codec: str
    max_timestamp: int


@dataclass
class Dump:
    """What the tool saw, by file, and every fault found by it or by us."""

    batches: dict[Path, list[Batch]] = field(default_factory=dict)
    index: dict[Path, list[tuple[int, int]]] = field(default_factory=dict)
    timeindex: dict[Path, list[tuple[int, int]]] = field(default_factory=dict)
    records: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def all_batches(self) -> list[Batch]:
        return [batch for path in sorted(self.batches) for batch in self.batches[path]]


def dump(directory: Path, *, deep: bool = True) -> Dump:
    """All segments of one partition directory. Deep: every record is decompressed and walked."""
    files = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES)
    assert any(path.suffix == ".log" for path in files), f"no segment in {directory}"
    command = [peers.tool(), "kafka-dump-log", "--files", ",".join(map(str, files))]
    if deep:
        command.append("--deep-iteration")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as printed:  # a million records: 100 MB
        done = subprocess.run(command, stdout=printed, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
        printed.seek(0)
        result = Dump()
        current = directory
        for line in printed:
            current = _read_line(result, current, line.rstrip())
    if done.returncode != 0:
        result.faults.append(f"kafka-dump-log ended with {done.returncode}")
    missing = {path for path in files if path.suffix == ".log"} - set(result.batches)
    result.faults += [f"{path.name} was not dumped" for path in missing]
    for path in result.batches:
        _check_segment(result, path)
    _check_order(result)
    return result


def _read_line(result: Dump, current: Path, line: str) -> Path:
    """Takes one line in; returns the file it belongs to."""
    if line.startswith("Dumping "):
        path = Path(line.removeprefix("Dumping "))
        by_kind = {".log": result.batches, ".index": result.index, ".timeindex": result.timeindex}
        if path.suffix in by_kind:
            by_kind[path.suffix][path] = []  # type: ignore[attr-defined]
        return path
    if RECORD.match(line):
        result.records += 1
    elif match := BATCH.match(line):
        number = {key: int(text) for key, text in match.groupdict().items() if key not in ("codec", "control")}
        result.batches[current].append(
            Batch(
                base_offset=number["base"],
                last_offset=number["last"],
                count=number["count"],
                position=number["position"],
                size=number["size"],
                leader_epoch=number["epoch"],
                producer_id=number["producer"],
                base_sequence=number["sequence"],
                codec=match["codec"],
                max_timestamp=number["timestamp"],
            )
        )
    elif FAULT.search(line):
        result.faults.append(f"{current.name}: {line.strip()}")
    elif current.suffix == ".index" and (match := INDEX_ENTRY.match(line)):
        result.index[current].append((int(match[1]), int(match[2])))
    elif current.suffix == ".timeindex" and (match := TIME_ENTRY.match(line)):
        result.timeindex[current].append((int(match[1]), int(match[2])))
    elif current.suffix == ".log" and line.startswith("baseOffset: "):
        result.faults.append(f"{current.name}: a batch line that this parser does not know: {line}")
    return current


def _check_segment(result: Dump, log: Path) -> None:
    batches, end = result.batches[log], 0
    for batch in batches:
        if batch.position != end:
            result.faults.append(
                f"{log.name}: the batch of offset {batch.base_offset} lies at {batch.position}, not {end}"
            )
        end = batch.position + batch.size
    if end != log.stat().st_size:
        result.faults.append(f"{log.name}: its batches end at {end}, the file at {log.stat().st_size}")
    ends = {batch.last_offset: batch for batch in batches}
    last = (-1, -1)
    for entry in result.index.get(log.with_suffix(".index"), []):
        if entry[0] not in ends or ends[entry[0]].position != entry[1]:
            result.faults.append(f"{log.stem}.index: entry {entry} names no batch's last offset and position")
        if entry <= last:
            result.faults.append(f"{log.stem}.index: entry {entry} after {last}")
        last = entry
    last = (-1, -1)
    for entry in result.timeindex.get(log.with_suffix(".timeindex"), []):
        if entry[1] not in ends or ends[entry[1]].max_timestamp != entry[0]:
            result.faults.append(f"{log.stem}.timeindex: entry {entry} is no batch's time and last offset")
        if entry[0] <= last[0]:
            result.faults.append(f"{log.stem}.timeindex: entry {entry} after {last}")
        last = entry


def _check_order(result: Dump) -> None:
    """Offsets rise over all segments, and a segment's first batch is not before its name."""
    end = -1
    for path in sorted(result.batches):
        for batch in result.batches[path]:
            if batch.base_offset < max(end, int(path.stem)) or batch.last_offset < batch.base_offset:
                result.faults.append(f"{path.name}: offsets {batch.base_offset}-{batch.last_offset} after {end}")
            end = batch.last_offset + 1
