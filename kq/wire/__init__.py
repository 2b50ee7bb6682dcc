"""The Kafka protocol without I/O: bytes to messages and back.

`apis` has the field tables of every request and response; `frame` cuts a byte stream into frames and writes headers;
`decoder` and `encoder` compile a table at one version into straight-line code. Start with `kq.wire.apis`.
"""

from __future__ import annotations

from kq.wire.errors import ProtocolError, UnsupportedVersion

__all__ = ["ProtocolError", "UnsupportedVersion"]
