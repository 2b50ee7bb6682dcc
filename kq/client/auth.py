"""Who we are, as SASL tells a broker: PLAIN (RFC 4616) and SCRAM-SHA-256/512 (RFC 5802).

Sans-IO: a `Mechanism` is a generator of client messages that is sent the broker's answers. The connection carries them
in SaslHandshake and SaslAuthenticate requests (KIP-43, KIP-152).

Rules: secrets appear in no message; SCRAM checks the broker's own proof, so that a broker that does not know the
password is noticed; `scramp` is imported only when SCRAM is spoken.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import NamedTuple

from kq.client.setting_types import invalid
from kq.client.settings import ClientSettings

__all__ = ["BrokerNotProven", "Credentials", "Exchange", "credentials", "exchange", "parse_jaas"]

# Yields the next message to send, is sent the answer to it, and returns when both sides are content.
Exchange = Generator[bytes, bytes, None]


class Credentials(NamedTuple):
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


class BrokerNotProven(Exception):
    """The broker's part of the SCRAM exchange is wrong."""


def credentials(settings: ClientSettings) -> Credentials:
    """From sasl.username and sasl.password, or from sasl.jaas.config."""
    username, password = settings.sasl_username, settings.sasl_password
    if settings.sasl_jaas_config is not None:
        options = parse_jaas(settings.sasl_jaas_config)
        username = username if username is not None else options.get("username")
        password = password if password is not None else options.get("password")
    if username is None or password is None:
        missing = "sasl.username" if username is None else "sasl.password"
        raise invalid(f"security.protocol={settings.security_protocol} needs {missing} (or sasl.jaas.config)")
    return Credentials(username, password)


_JAAS = re.compile(
    r"""\s*[\w.$]+ \s+ (?:required|requisite|sufficient|optional)
        (?P<options> (?: \s+ [\w.]+ \s*=\s* (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s;"']+ ) )* ) \s* ; \s*""",
    re.VERBOSE | re.DOTALL,
)
_JAAS_OPTION = re.compile(r"""([\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"']+)""", re.DOTALL)


def parse_jaas(text: str) -> dict[str, str]:
    """The options of a one-line JAAS login configuration: `module required name="value" ... ;`."""
    match = _JAAS.fullmatch(text)
    if match is None:
        raise invalid('sasl.jaas.config is not of the form: MODULE required username="USER" password="PASSWORD";')
    options = {}
    for name, value in _JAAS_OPTION.findall(match["options"]):
        options[name] = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value[0] in "\"'" else value
    return options


def exchange(mechanism: str, who: Credentials) -> Exchange:
    return _plain(who) if mechanism == "PLAIN" else _scram(mechanism, who)


def _plain(who: Credentials) -> Exchange:
    yield b"\0" + who.username.encode() + b"\0" + who.password.encode()


def _scram(mechanism: str, who: Credentials) -> Exchange:
    from scramp import ScramClient, ScramException  # type: ignore[import-untyped]

    client = ScramClient([mechanism], who.username, who.password)
    try:
        answer = yield client.get_client_first().encode()
        client.set_server_first(answer.decode())
        answer = yield client.get_client_final().encode()
        client.set_server_final(answer.decode())
    except (ScramException, UnicodeDecodeError) as error:
        raise BrokerNotProven(str(error)) from error
