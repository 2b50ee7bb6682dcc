"""What is raised for bytes that are not a well-formed record batch.

Rule: whatever bytes come in, every function of `kq.record` that reads them either succeeds or raises one of these (or,
in `validate`, a `KafkaError` with the answer for the producer). An `IndexError`, `struct.error` or an exception of a
compression library never leaves the package.
"""

from __future__ import annotations

from kq.errors import Err, KafkaError


class CorruptRecord(KafkaError):
    """The bytes are damaged or hostile; the message says where."""

    def __init__(self, message: str) -> None:
        super().__init__(Err.CORRUPT_MESSAGE, message)


class TooLarge(CorruptRecord):
    """Compressed bytes that announce, or unfold to, more than the caller allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The compressed records unfold to more than {limit} bytes.")
        self.limit = limit
