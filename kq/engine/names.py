"""The names of the files of a partition.

    00000000000000012345.log        batches from offset 12345 on, up to the next segment's base offset
    00000000000000012345.index      sparse: offset -> position
    00000000000000012345.timeindex  sparse: timestamp -> offset
    00000000000000012345.txnindex   aborted transactions whose marker is in this segment
    00000000000000012345.snapshot   producers as they were before offset 12345
    leader-epoch-checkpoint, partition.metadata
    sync-failed                     a sync failed here: what is in the page cache may not be on the disk (flush.py)

and behind such a name .deleted (on its way out), .cleaned and .swap (compaction that was interrupted), .corrupt (set
aside by recovery: kq never touches it again), .tmp (a replacement that was interrupted).
"""

from __future__ import annotations

import re
from typing import Final

LOG: Final = ".log"
INDEX: Final = ".index"
TIME_INDEX: Final = ".timeindex"
TXN_INDEX: Final = ".txnindex"
SNAPSHOT: Final = ".snapshot"
SEGMENT_FILES: Final = (LOG, INDEX, TIME_INDEX, TXN_INDEX)

SYNC_FAILED: Final = "sync-failed"

DELETED: Final = ".deleted"
CLEANED: Final = ".cleaned"
SWAP: Final = ".swap"
CORRUPT: Final = ".corrupt"
TEMPORARY: Final = ".tmp"

_NAME: Final = re.compile(r"(\d{20})(\.(?:log|index|timeindex|txnindex|snapshot))(\.[a-z]+)?", re.ASCII)


def file_name(base_offset: int, kind: str) -> str:
    return f"{base_offset:020d}{kind}"


def parse(name: str) -> tuple[int, str, str] | None:
    """Base offset, kind and suffix ("" mostly); None for a name that is not of this form."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), found[2], found[3] or "") if found else None
