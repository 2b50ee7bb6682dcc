"""What a log needs to know of its topic's settings, under Kafka's names; units last, -1 means without limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The defaults are Kafka's. May be exchanged at any time (`Log.configure`); what is on disk already stays."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * 24 * 3_600_000
    index_interval_bytes: int = 4096
    index_max_bytes: int = 10 << 20
    retention_ms: int = 7 * 24 * 3_600_000
    retention_bytes: int = -1
    flush_messages: int = NEVER
    flush_ms: int = NEVER
    file_delete_delay_ms: int = 60_000
    compact: bool = False
    delete: bool = True
    delete_retention_ms: int = 24 * 3_600_000
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = NEVER
    min_cleanable_dirty_ratio: float = 0.5
    producer_expiry_ms: int = 24 * 3_600_000
    fsync_before_ack: bool = False
