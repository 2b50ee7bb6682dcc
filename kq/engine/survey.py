"""What lies in a data directory: the partitions of known topics, strays, what must not be touched, and what may go.

A directory says by its name which partition it is, and by its `partition.metadata` of which topic: a name may be given
to a new topic, an id never is. Both must fit what the metadata store knows:

    name known, id the same                  known: it will be loaded
    name known, no id that can be read       known: the file is not synced when it is made, a crash may lose it
    name known, another id                   refused: it is of an older topic, or was copied over this one
    name unknown                             stray: only the metadata store could say whose it is
    name unknown, id of another topic        refused: a copy under a second name; two logs of one partition

Refused and stray directories are left exactly as they are, until a new partition needs the name (store.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kq.engine import checkpoint
from kq.engine.checkpoint import CorruptCheckpoint, id_text
from kq.engine.disk import Disk
from kq.engine.partition_names import Kind, PartitionName, directory_name, parse

CLUSTER_METADATA: Final = "__cluster_metadata"
"""The log of a KRaft controller, in data directories that Apache Kafka has used: no topic, and nothing for kq."""


class Found(NamedTuple):
    topic: str
    partition: int
    topic_id: bytes | None  # as its partition.metadata says; None: says nothing that can be read
    path: str

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.partition


class Refused(NamedTuple):
    topic: str
    partition: int
    path: str
    reason: str  # a sentence
    is_foreign: bool  # it belongs to another topic; else to this one, and cannot be loaded

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.partition

    def __str__(self) -> str:
        return f"{self.path} is not served: {self.reason}"


@dataclass(slots=True)
class Survey:
    known: list[Found] = field(default_factory=list)
    strays: list[Found] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)  # paths of directories whose deletion had begun
    ignored: list[str] = field(default_factory=list)  # names of other directories


def survey(disk: Disk, path: str, topic_ids: Mapping[str, bytes]) -> Survey:
    result = Survey()
    names = {entry.name: parse(entry.name) for entry in disk.entries(path) if entry.is_directory}
    topic_of = {topic_id: topic for topic, topic_id in topic_ids.items()}
    for name, parsed in names.items():
        if parsed is None or parsed.topic == CLUSTER_METADATA:
            result.ignored.append(name)
        elif parsed.kind is Kind.LIVE:
            _place(result, _found(disk, os.path.join(path, name), parsed), topic_ids, topic_of)
        elif parsed.kind is Kind.DELETED or (
            parsed.kind is Kind.FUTURE and directory_name(parsed.topic, parsed.partition) in names
        ):
            result.leftovers.append(os.path.join(path, name))
        else:
            result.ignored.append(name)
    return result


def _found(disk: Disk, path: str, name: PartitionName) -> Found:
    try:
        topic_id = checkpoint.decode_partition_metadata(disk.read(os.path.join(path, checkpoint.PARTITION_METADATA)))
    except (FileNotFoundError, CorruptCheckpoint):
        topic_id = None
    return Found(name.topic, name.partition, topic_id, path)


def _place(result: Survey, found: Found, topic_ids: Mapping[str, bytes], topic_of: dict[bytes, str]) -> None:
    expected = topic_ids.get(found.topic)
    if found.topic_id is None or found.topic_id == expected:
        (result.strays if expected is None else result.known).append(found)
        return
    owner = topic_of.setdefault(found.topic_id, found.topic)
    if owner != found.topic:
        reason = f"its topic id {id_text(found.topic_id)} is that of topic {owner}."
    elif expected is not None:
        reason = f"its topic id is {id_text(found.topic_id)}, that of topic {found.topic} is {id_text(expected)}."
    else:
        result.strays.append(found)
        return
    result.refused.append(Refused(found.topic, found.partition, found.path, reason, is_foreign=True))
