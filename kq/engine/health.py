"""Whether a log takes changes, and what its callers hear when the disk does not do what it should.

Two kinds of trouble. What passes (no room, a read that fails) is KAFKA_STORAGE_ERROR for the one who asked, and the log
goes on. What leaves the log in doubt about its own files (a failed sync, a torn write that stays, half a deletion) ends
it: every change is refused until recovery has opened it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kq.engine.index import DamagedIndex
from kq.engine.scan import DamagedBatch
from kq.engine.txnindex import CorruptTransactionIndex
from kq.errors import Err, KafkaError

_LOG: Final = logging.getLogger(__name__)


class Health:
    """Of one log."""

    __slots__ = ("_directory", "failed")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.failed: str | None = None  # why changes are refused

    def check(self) -> None:
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)

    def fail(self, reason: str) -> None:
        if self.failed is None:
            self.failed = f"{reason} The partition takes no changes until the broker is restarted."
            _LOG.error("%s", self.failed)

    def refusal(self, deed: str, error: Exception) -> KafkaError:
        """What to raise when `error` came of the deed, `deed` being a verb that goes before the directory."""
        reason = error.strerror if isinstance(error, OSError) else error
        return KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed or f"Could not {deed} {self._directory}: {reason}.")

    @contextmanager
    def refusing(self, deed: str, *, is_fatal: bool = False) -> Iterator[None]:
        """Trouble with the files inside is KAFKA_STORAGE_ERROR outside, and the end of the log if it is fatal."""
        try:
            yield
        except (OSError, DamagedBatch, DamagedIndex, CorruptTransactionIndex) as error:
            refusal = self.refusal(deed, error)
            if is_fatal:
                self.fail(str(refusal))
            raise refusal from error
