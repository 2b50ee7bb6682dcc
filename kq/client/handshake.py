"""From a host and a port to a connection that can be used: TCP, TLS, ApiVersions, SASL.

1. Every address of the name is tried in turn (KIP-235); the last failure is told.
2. ApiVersions in our highest version; a broker that does not know it answers error 35 in the form of version 0, which
   also names the versions it does know (KIP-35, KIP-511). kq then asks again in the highest of those.
3. SaslHandshake and SaslAuthenticate, before anything else is sent (KIP-152).
   A session that the broker limits (KIP-368) is renewed on the same connection before it ends.

Rules: each way to fail has a sentence of its own, with what the user can do about it; secrets appear in none.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
import ssl
from contextlib import suppress
from typing import Any

from kq.client import errors
from kq.client.address import Address
from kq.client.auth import BrokerNotProven, credentials, exchange
from kq.client.connection import Connection, Version, hello
from kq.client.errors import AuthenticationFailed, ConnectionLost, RequestTimedOut, Unreachable
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError
from kq.wire.apis.sasl import SASL_AUTHENTICATE, SASL_HANDSHAKE
from kq.wire.apis.versions import API_VERSIONS

__all__ = ["open_connection"]

log = logging.getLogger("kq.client")

RENEW_AT = (0.85, 0.95)  # of a session's life, as Java's SaslClientAuthenticator does it


async def open_connection(
    host: str,
    port: int,
    settings: ClientSettings,
    tls: ssl.SSLContext | None,
    node_id: int | None = None,
    setup_ms: float | None = None,
) -> Connection:
    """A connection ready for requests; Unreachable or AuthenticationFailed says why there is none.

    `setup_ms` is how long each address may take until TCP and TLS stand, by default socket.connection.setup.timeout.ms.
    """
    address = str(Address(host, port))
    if setup_ms is None:
        setup_ms = settings.socket_connection_setup_timeout_ms
    connection = await _connect(address, host, port, settings, tls, node_id, setup_ms)
    try:
        await _ask_versions(connection)
        if settings.wants_sasl:
            await _authenticate(connection, settings)
    except ConnectionLost as lost:
        raise _hung_up(connection, settings, lost) from lost
    except RequestTimedOut as slow:
        raise Unreachable(address, errors.TIMEOUT, str(slow)) from slow
    except BaseException:
        connection.close()
        raise
    return connection


# -- TCP and TLS -------------------------------------------------------------------------------------------------------


async def _connect(
    address: str,
    host: str,
    port: int,
    settings: ClientSettings,
    tls: ssl.SSLContext | None,
    node_id: int | None,
    setup_ms: float,
) -> Connection:
    loop = asyncio.get_running_loop()
    failure: Exception = OSError(f"{host} has no address")
    for ip in await _resolve(address, host, port):
        connection = Connection(address, settings, node_id)
        try:
            async with asyncio.timeout(setup_ms / 1000):
                transport, _ = await loop.create_connection(
                    lambda made=connection: made,
                    ip,
                    port,
                    ssl=tls,
                    server_hostname=host if tls else None,
                )
        except (OSError, TimeoutError) as error:
            connection.give_up(ConnectionLost(address, str(error)))
            failure = error
            continue
        _size_buffers(transport, settings)
        return connection
    raise _unreachable(address, failure, settings, setup_ms) from failure


async def _resolve(address: str, host: str, port: int) -> list[str]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [host]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host name"
        raise Unreachable(address, errors.UNRESOLVED, f"no broker at {address}: {host}: {reason}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _size_buffers(transport: asyncio.BaseTransport, settings: ClientSettings) -> None:
    raw = transport.get_extra_info("socket")
    for option, size in (
        (socket.SO_SNDBUF, settings.send_buffer_bytes),
        (socket.SO_RCVBUF, settings.receive_buffer_bytes),
    ):
        if size >= 0 and raw is not None:
            with suppress(OSError):  # macOS: refused above its maximum, where Linux takes the maximum
                raw.setsockopt(socket.SOL_SOCKET, option, size)


def _unreachable(address: str, error: Exception, settings: ClientSettings, setup_ms: float) -> Unreachable:
    match error:
        case ConnectionRefusedError():
            return Unreachable(address, errors.REFUSED, f"no broker answers at {address} (connection refused)")
        case ssl.SSLCertVerificationError():
            return Unreachable(
                address,
                errors.TLS,
                f"{address} shows a certificate that is not trusted: {error.verify_message}; "
                "ssl.truststore.location=FILE names the authority to trust",
            )
        case ssl.SSLError() if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            return Unreachable(address, errors.NOT_TLS, f"{address} does not speak TLS; it may want {_plain(settings)}")
        case ssl.SSLError():
            reason = (error.reason or str(error)).lower().replace("_", " ")
            return Unreachable(address, errors.TLS, f"no TLS connection to {address}: {reason}")
        case TimeoutError():
            waited = f"nothing for {setup_ms / 1000:.3g} s"
            return Unreachable(address, errors.TIMEOUT, f"no broker answers at {address} ({waited})")
        case ConnectionError() if settings.wants_tls:
            return Unreachable(
                address,
                errors.NOT_TLS,
                f"{address} hung up during the TLS handshake; it may want {_plain(settings)}",
            )
        case OSError() if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
            return Unreachable(address, errors.NETWORK, f"no broker answers at {address} (no route to it)")
    return Unreachable(address, errors.NETWORK, f"no broker answers at {address} ({_lower(error)})")


def _plain(settings: ClientSettings) -> str:
    return "security.protocol=" + ("SASL_PLAINTEXT" if settings.wants_sasl else "PLAINTEXT")


def _lower(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def _hung_up(connection: Connection, settings: ClientSettings, lost: ConnectionLost) -> KafkaError:
    address = connection.address
    if connection.answers:
        return lost
    if settings.wants_tls:
        return Unreachable(address, errors.TLS, f"{lost}; it may want a client certificate (ssl.keystore.location)")
    return Unreachable(address, errors.CLOSED, f"{address} closed the connection at once; it may want TLS")


# -- what the broker serves --------------------------------------------------------------------------------------------


async def _ask_versions(connection: Connection) -> None:
    version = API_VERSIONS.max_version
    while True:
        frame = await connection.exchange(API_VERSIONS, hello(), version)
        refused = int.from_bytes(frame[4:6], "big", signed=True) == Err.UNSUPPORTED_VERSION
        answer = connection.decode(API_VERSIONS, 0 if refused else version, frame)
        if not refused or version == 0:
            break
        known = next((key.max_version for key in answer.api_keys if key.api_key == API_VERSIONS.key), 0)
        version = min(known, version - 1)
    if answer.error_code:
        sentence = f"{connection.address} refuses ApiVersions: {Err.of(answer.error_code).text}"
        raise KafkaError(Err.of(answer.error_code), sentence)
    connection.versions = {key.api_key: Version(key.min_version, key.max_version) for key in answer.api_keys}


# -- who we are --------------------------------------------------------------------------------------------------------


async def _authenticate(connection: Connection, settings: ClientSettings) -> None:
    mechanism = settings.sasl_mechanism
    who = credentials(settings)
    answer = await connection.request_ungated(SASL_HANDSHAKE, SASL_HANDSHAKE.Request(mechanism=mechanism))
    if answer.error_code:
        sentence = f"{connection.address} does not take sasl.mechanism={mechanism}; it offers "
        sentence += ", ".join(answer.mechanisms) or "none"
        if answer.error_code == Err.ILLEGAL_SASL_STATE:
            bare = "SSL" if settings.wants_tls else "PLAINTEXT"
            sentence = f"{connection.address} does not want SASL; try security.protocol={bare}"
        raise AuthenticationFailed(connection.address, sentence, Err.of(answer.error_code))
    steps = exchange(mechanism, who)
    message, lifetime_ms = next(steps), 0
    while True:
        answer = await connection.request_ungated(SASL_AUTHENTICATE, SASL_AUTHENTICATE.Request(auth_bytes=message))
        if answer.error_code:
            raise AuthenticationFailed(
                connection.address, _refused(connection, who.username, answer), Err.of(answer.error_code)
            )
        lifetime_ms = answer.session_lifetime_ms
        try:
            message = steps.send(bytes(answer.auth_bytes))
        except StopIteration:
            break
        except BrokerNotProven as error:
            sentence = f"{connection.address} does not prove that it knows the password of {who.username!r}: {error}"
            raise AuthenticationFailed(connection.address, sentence) from error
    if lifetime_ms > 0:
        pause_s = lifetime_ms / 1000 * random.uniform(*RENEW_AT)
        asyncio.get_running_loop().call_later(pause_s, _begin_renewal, connection, settings)


def _refused(connection: Connection, username: str, answer: Any) -> str:
    reason = answer.error_message or Err.of(answer.error_code).text
    return f"{connection.address} refuses user {username!r}: {reason}"


def _begin_renewal(connection: Connection, settings: ClientSettings) -> None:
    if connection.lost is None:
        connection.keep(asyncio.ensure_future(_renew(connection, settings)))


async def _renew(connection: Connection, settings: ClientSettings) -> None:
    """Authenticates again; what others send meanwhile waits at the gate, what they sent before is answered before."""
    connection.gate.clear()
    try:
        await _authenticate(connection, settings)
    except KafkaError as error:
        log.info("%s: %s", connection.address, error)
        connection.give_up(error)
    finally:
        connection.gate.set()
