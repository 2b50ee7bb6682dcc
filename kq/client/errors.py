"""What can go wrong between a client and a broker, as exceptions with a sentence for people.

All are `KafkaError`s, so that a caller who only wants the sentence and the code catches one class. `reason` is a
word for programs: the commands choose their hints by it.

Rules: a message names the broker's address and what happened, never a Python exception's class; `is_retriable`
says whether the same request may succeed later without anybody doing anything.
"""

from __future__ import annotations

from kq.errors import Err, KafkaError

__all__ = [
    "REFUSED",
    "AuthenticationFailed",
    "ConnectionLost",
    "RequestTimedOut",
    "Unreachable",
    "UnsupportedRequest",
    "is_retriable",
]

# Reasons of Unreachable.
REFUSED = "refused"  # nobody listens there
UNRESOLVED = "unresolved"  # the host name has no address
TIMEOUT = "timeout"  # no answer to the connection attempt
CLOSED = "closed"  # accepted, then closed before the first answer: it may want TLS
TLS = "tls"  # the TLS handshake failed
NOT_TLS = "not_tls"  # TLS was spoken to a plaintext port
WANTS_TLS = "wants_tls"  # plaintext was spoken to a TLS port
WANTS_SASL = "wants_sasl"  # closed, time and again, when asked the first question without authentication
UNKNOWN = "unknown"  # the cluster does not know this broker: any more, or (while it starts) yet
NOT_KAFKA = "not_kafka"  # something answers, in another protocol
NETWORK = "network"  # any other error of the operating system


class Unreachable(KafkaError):
    """No usable connection to a broker could be made. Nothing was sent."""

    def __init__(self, address: str, reason: str, message: str) -> None:
        super().__init__(Err.BROKER_NOT_AVAILABLE, message)
        self.address = address
        self.reason = reason


class ConnectionLost(KafkaError):
    """The connection ended while a request was under way: whether the broker carried it out is unknown."""

    def __init__(self, address: str, message: str) -> None:
        super().__init__(Err.NETWORK_EXCEPTION, message)
        self.address = address


class RequestTimedOut(KafkaError):
    """A broker did not answer in time: whether it carried the request out is unknown."""

    def __init__(self, address: str, message: str) -> None:
        super().__init__(Err.REQUEST_TIMED_OUT, message)
        self.address = address


class AuthenticationFailed(KafkaError):
    """The broker refused the user, the password or the mechanism. Never retried."""

    def __init__(self, address: str, message: str, code: Err = Err.SASL_AUTHENTICATION_FAILED) -> None:
        super().__init__(code, message)
        self.address = address


class UnsupportedRequest(KafkaError):
    """The broker does not know this kind of request, or no version of it that kq knows."""

    def __init__(self, address: str, message: str) -> None:
        super().__init__(Err.UNSUPPORTED_VERSION, message)
        self.address = address


def is_retriable(error: KafkaError) -> bool:
    """Whether the same request may succeed later: by the error table, and for every failure of the network."""
    if isinstance(error, Unreachable):
        return error.reason in {REFUSED, TIMEOUT, CLOSED, NETWORK, UNRESOLVED, UNKNOWN}
    return error.code.retriable
