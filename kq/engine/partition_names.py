"""Names of partition directories in a data directory, and back (Kafka's UnifiedLog.parseTopicPartitionName).

    <topic>-<partition>                        in use
    <topic>-<partition>.<32 hex>-delete        the topic is deleted; the files go in the background
    <topic>-<partition>.<32 hex>-future        a copy Kafka was moving here from another data directory; kq makes none
    <topic>-<partition>.<32 hex>-stray         was in the way of a new topic of its name; kept, nobody knows whose it is

A topic name may be 249 bytes long, so the last three cut it: no name exceeds the 255 bytes that file systems allow.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

MAX_NAME: Final = 255
_NAME: Final = re.compile(r"([a-zA-Z0-9._-]{1,249})-(0|[1-9][0-9]{0,9})")
_SUFFIXED: Final = re.compile(r"(.+)\.([0-9a-f]{32})-(delete|future|stray)")


class Kind(Enum):
    LIVE = "live"
    DELETED = "delete"
    FUTURE = "future"
    STRAY = "stray"


class PartitionName(NamedTuple):
    topic: str  # possibly cut, unless live
    partition: int
    kind: Kind


def directory_name(topic: str, partition: int) -> str:
    return f"{topic}-{partition}"


def suffixed_name(topic: str, partition: int, unique: bytes, kind: Kind) -> str:
    """`unique` are 16 bytes that no other directory of this name has."""
    end = f"-{partition}.{unique.hex()}-{kind.value}"
    return topic[: MAX_NAME - len(end)] + end


def parse(name: str) -> PartitionName | None:
    """None for a directory that is no partition's."""
    kind = Kind.LIVE
    if suffixed := _SUFFIXED.fullmatch(name):
        name, kind = suffixed[1], Kind(suffixed[3])
    found = _NAME.fullmatch(name)
    if found is None or int(found[2]) > 0x7FFF_FFFF or found[1] in (".", ".."):
        return None
    return PartitionName(found[1], int(found[2]), kind)
