"""What `kq.wire` raises: bytes that are no message, or a message that has no bytes.

A peer that sends the first kind is disconnected, as Kafka does; nothing else ever leaves a decoder.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """One sentence about bytes that cannot be read, or about a message that cannot be written."""


class UnsupportedVersion(ProtocolError):
    """The field tables do not know this version of the API."""
