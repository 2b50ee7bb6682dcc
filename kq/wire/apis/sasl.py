"""Authentication, before anything else on a connection.

Handshake 0 is followed by bare tokens in frames of their own, 1 by SaslAuthenticate.
"""

from __future__ import annotations

from kq.wire.api import Api

SASL_HANDSHAKE = Api(
    17,
    "SaslHandshake",
    versions="0-1",
    flexible="none",
    request="""
mechanism: string
""",
    response="""
error_code: int16
mechanisms: [string]
""",
)

SASL_AUTHENTICATE = Api(
    36,
    "SaslAuthenticate",
    versions="0-2",
    flexible="2+",
    request="""
auth_bytes: bytes
""",
    response="""
error_code: int16
error_message: string?
auth_bytes: bytes
session_lifetime_ms: int64 1+ ignorable
""",
)
