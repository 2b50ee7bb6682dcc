"""What `Log.append` answers."""

from __future__ import annotations

from typing import NamedTuple


class Appended(NamedTuple):
    base_offset: int
    last_offset: int
    duplicate: bool  # it was in the log already: nothing was written, and these are its old offsets
    max_timestamp: int
    log_start_offset: int
