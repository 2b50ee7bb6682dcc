"""TLS from Kafka's `ssl.*` settings, in PEM.

Rules: certificates are verified and belong to the host's name unless a setting says otherwise; without a trust store
the system's authorities count; keys given as text touch the disk only as a private temporary file, because OpenSSL's
loader in Python takes nothing else.
"""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kq.client.setting_types import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kq.client.settings import ClientSettings

__all__ = ["tls_context"]

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def tls_context(settings: ClientSettings) -> ssl.SSLContext:
    """The context for all connections of one cluster; KafkaError(INVALID_CONFIG) names the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _limit_versions(context, settings)
    context.check_hostname = settings.ssl_endpoint_identification_algorithm == "https"
    if not settings.enable_ssl_certificate_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_authorities(context, settings)
    _load_identity(context, settings)
    if settings.ssl_cipher_suites:
        try:
            context.set_ciphers(":".join(settings.ssl_cipher_suites))
        except ssl.SSLError:
            raise invalid("ssl.cipher.suites: OpenSSL knows none of them") from None
    return context


def _limit_versions(context: ssl.SSLContext, settings: ClientSettings) -> None:
    try:
        wanted = sorted(VERSIONS[name] for name in settings.ssl_enabled_protocols)
    except KeyError as unknown:
        raise invalid(f"ssl.enabled.protocols: {unknown} is not one of {', '.join(VERSIONS)}") from None
    if wanted:
        context.minimum_version, context.maximum_version = wanted[0], wanted[-1]


def _load_authorities(context: ssl.SSLContext, settings: ClientSettings) -> None:
    try:
        if settings.ssl_truststore_certificates is not None:
            context.load_verify_locations(cadata=settings.ssl_truststore_certificates)
        elif settings.ssl_truststore_location is not None:
            context.load_verify_locations(cafile=settings.ssl_truststore_location)
        else:
            context.load_default_certs()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = settings.ssl_truststore_location or "ssl.truststore.certificates"
        raise invalid(f"no certificates can be read from {where}: {_reason(error)}; it must be PEM") from error


def _load_identity(context: ssl.SSLContext, settings: ClientSettings) -> None:
    password = settings.ssl_key_password or settings.ssl_keystore_password or ""  # never ask on the terminal
    chain = settings.ssl_certificate_location or settings.ssl_keystore_location
    key = settings.ssl_key_location
    try:
        if settings.ssl_keystore_certificate_chain is not None:
            text = settings.ssl_keystore_certificate_chain + "\n" + (settings.ssl_keystore_key or "")
            with _private_file(text) as path:
                context.load_cert_chain(path, password=password)
        elif chain is not None:
            context.load_cert_chain(chain, key, password=password)
    except (OSError, ValueError) as error:
        where = chain or "ssl.keystore.certificate.chain"
        raise invalid(f"no certificate and key can be read from {where}: {_reason(error)}; it must be PEM") from error


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


@contextmanager
def _private_file(text: str) -> Iterator[str]:
    import tempfile  # rarely needed

    descriptor, path = tempfile.mkstemp(prefix="kq-", suffix=".pem")  # readable by this user alone
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)
