"""The small text files of a data directory: bytes <-> values, as Kafka writes them.

Pure: who reads and writes the files is elsewhere (each is replaced whole: temporary file, fsync, rename, fsync of the
directory). A decoder answers a value or raises `CorruptCheckpoint` saying what is wrong, whatever the bytes.

    <topic>-<p>/leader-epoch-checkpoint        0 / <count> / <epoch> <start offset> ...            one a line
    recovery-point-offset-checkpoint,
    log-start-offset-checkpoint,
    replication-offset-checkpoint,
    cleaner-offset-checkpoint                  0 / <count> / <topic> <partition> <offset> ...      one a line
    <topic>-<p>/partition.metadata             version: 0 / topic_id: <22 characters, base64url>   no newline at the end
    meta.properties                            version=1, cluster.id, node.id, directory.id        Java properties
    .kafka_cleanshutdown                       {"version":0,"brokerEpoch":<n>}

Kafka makes its checkpoint files empty and fills them later: an empty one holds no entries.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

CLEAN_OFFSETS: Final = "cleaner-offset-checkpoint"
RECOVERY_POINTS: Final = "recovery-point-offset-checkpoint"
LOG_STARTS: Final = "log-start-offset-checkpoint"
HIGH_WATERMARKS: Final = "replication-offset-checkpoint"
LEADER_EPOCHS: Final = "leader-epoch-checkpoint"
PARTITION_METADATA: Final = "partition.metadata"
META_PROPERTIES: Final = "meta.properties"
CLEAN_SHUTDOWN: Final = ".kafka_cleanshutdown"

_ZERO_ID: Final = bytes(16)
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_ID_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{22}")


class CorruptCheckpoint(Exception):
    """The file is not what its name promises; the message says why."""


class MetaProperties(NamedTuple):
    cluster_id: str
    node_id: int
    directory_id: str


def encode_epochs(entries: Iterable[tuple[int, int]]) -> bytes:
    return _encode_lines(f"{epoch} {start_offset}" for epoch, start_offset in entries)


def decode_epochs(data: bytes) -> list[tuple[int, int]]:
    entries: list[tuple[int, int]] = []
    for line in _decode_lines(data):
        fields = line.split()
        if len(fields) != 2:
            raise CorruptCheckpoint(f"not an epoch and an offset: {line[:80]!r}")
        epoch, start_offset = _natural(fields[0]), _natural(fields[1])
        if epoch > 0x7FFF_FFFF:
            raise CorruptCheckpoint(f"no epoch: {epoch}")
        entries.append((epoch, start_offset))
    return entries


def encode_offsets(offsets: Mapping[tuple[str, int], int]) -> bytes:
    return _encode_lines(f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items())


def decode_offsets(data: bytes) -> dict[tuple[str, int], int]:
    offsets: dict[tuple[str, int], int] = {}
    for line in _decode_lines(data):
        fields = line.split()
        if len(fields) != 3:
            raise CorruptCheckpoint(f"not a topic, a partition and an offset: {line[:80]!r}")
        offsets[fields[0], _natural(fields[1])] = _natural(fields[2])
    return offsets


def _encode_lines(lines: Iterable[str]) -> bytes:
    entries = list(lines)
    return "\n".join(["0", str(len(entries)), *entries, ""]).encode()


def _decode_lines(data: bytes) -> list[str]:
    if not data:
        return []
    lines = _text(data).split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        raise CorruptCheckpoint("its last line is cut off")
    if lines[0] != "0":
        raise CorruptCheckpoint(f"it has version {lines[0][:20]!r}, known is 0")
    if len(lines) < 2:
        raise CorruptCheckpoint("it ends before the number of its entries")
    if _natural(lines[1]) != len(lines) - 2:
        raise CorruptCheckpoint(f"it announces {lines[1]} entries and has {len(lines) - 2}")
    return lines[2:]


def _natural(text: str) -> int:
    if not _INTEGER.fullmatch(text) or not 0 <= (value := int(text)) < 1 << 63:
        raise CorruptCheckpoint(f"not a number from 0 up: {text[:30]!r}")
    return value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CorruptCheckpoint("it is not text") from error


def id_text(topic_id: bytes) -> str:
    """16 bytes as the 22 characters Kafka prints."""
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def id_bytes(text: str) -> bytes:
    """Raises CorruptCheckpoint when it is not an id, or the id of nothing (all zero)."""
    if not _ID_TEXT.fullmatch(text):
        raise CorruptCheckpoint(f"not an id of 22 characters: {text[:40]!r}")
    try:
        topic_id = base64.urlsafe_b64decode(text + "==")
    except binascii.Error as error:
        raise CorruptCheckpoint(f"not an id: {text!r}") from error
    if topic_id == _ZERO_ID:
        raise CorruptCheckpoint("its id is zero")
    return topic_id


def encode_partition_metadata(topic_id: bytes) -> bytes:
    return f"version: 0\ntopic_id: {id_text(topic_id)}".encode()


def decode_partition_metadata(data: bytes) -> bytes:
    """The topic id."""
    lines = [line.strip() for line in _text(data).splitlines() if line.strip()]
    if not lines or lines[0] != "version: 0":
        raise CorruptCheckpoint(f"it has {lines[0][:40] if lines else 'no version'!r}, known is 'version: 0'")
    if len(lines) != 2 or not lines[1].startswith("topic_id:"):
        raise CorruptCheckpoint("it has no topic_id in its second line")
    return id_bytes(lines[1].removeprefix("topic_id:").strip())


def encode_meta_properties(meta: MetaProperties) -> bytes:
    """The values need no escapes: ids are base64url and numbers."""
    return (
        f"cluster.id={meta.cluster_id}\ndirectory.id={meta.directory_id}\nnode.id={meta.node_id}\nversion=1\n".encode()
    )


def decode_meta_properties(data: bytes) -> MetaProperties:
    properties: dict[str, str] = {}
    for line in _text(data).splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        name, _, value = stripped.partition("=")
        properties[name.strip()] = value.strip().replace("\\", "")
    if properties.get("version") != "1":
        raise CorruptCheckpoint(f"it has version {properties.get('version', 'none')[:20]!r}, known is 1")
    for name in ("cluster.id", "node.id"):
        if not properties.get(name):
            raise CorruptCheckpoint(f"it has no {name}")
    node_id = _natural(properties["node.id"])
    return MetaProperties(properties["cluster.id"], node_id, properties.get("directory.id", ""))


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    return json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def decode_clean_shutdown(data: bytes) -> int:
    """The epoch the broker had. The marker counts by being there; older Kafkas left it empty, and then this raises."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpoint("it is not JSON") from error
    epoch = value.get("brokerEpoch") if isinstance(value, dict) else None
    if not isinstance(epoch, int) or isinstance(epoch, bool):
        raise CorruptCheckpoint("it has no brokerEpoch")
    return epoch
