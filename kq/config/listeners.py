"""Listener addresses: `NAME://HOST:PORT` as Kafka writes them, and the plain `HOST:PORT` of kq's own settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kq.errors import Err, KafkaError

UNROUTABLE = "0.0.0.0"


class Address(NamedTuple):
    host: str
    """Empty: every interface."""
    port: int
    """0: any free one."""


class Listener(NamedTuple):
    name: str
    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


def parse_listeners(setting: str, entries: Iterable[str], protocols: Mapping[str, str]) -> tuple[Listener, ...]:
    """Listeners in the order given; names are upper-cased and unique. `protocols` maps a name to what it speaks."""
    found: dict[str, Listener] = {}
    for entry in entries:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)://(?:\[([^\]/]*)\]|([^\[\]/]*)):([0-9]{1,5})", entry)
        if match is None:
            raise _bad(setting, f"{entry!r} is not of the form NAME://HOST:PORT")
        name, port = match[1].upper(), int(match[4])
        if port > 65535:
            raise _bad(setting, f"port {port} of {entry!r} is above 65535")
        if name in found:
            raise _bad(setting, f"the listener name {name} occurs twice")
        if name not in protocols:
            raise _bad(setting, f"listener.security.protocol.map does not say what {name} speaks")
        found[name] = Listener(name, protocols[name], match[2] or match[3] or "", port)
    return tuple(found.values())


def parse_protocols(text: str) -> dict[str, str]:
    """`listener.security.protocol.map`: NAME:PROTOCOL pairs, names and protocols upper-cased."""
    pairs = [item.strip() for item in text.split(",") if item.strip()]
    for pair in pairs:
        if not re.fullmatch(r"[^:]+:(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)", pair, re.IGNORECASE):
            raise _bad("listener.security.protocol.map", f"{pair!r} is not of the form NAME:PROTOCOL")
    return {name.strip().upper(): protocol.upper() for name, _, protocol in (pair.partition(":") for pair in pairs)}


def parse_address(setting: str, text: str) -> Address | None:
    """`HOST:PORT`, `[IPV6]:PORT` or `:PORT`; None for an empty text."""
    if not text.strip():
        return None
    match = re.fullmatch(r"(?:\[([^\]/]*)\]|([^\[\]/:]*)):([0-9]{1,5})", text.strip())
    if match is None or int(match[3]) > 65535:
        raise _bad(setting, f"{text!r} is not of the form HOST:PORT")
    return Address(match[1] or match[2] or "", int(match[3]))


def _bad(setting: str, why: str) -> KafkaError:
    return KafkaError(Err.INVALID_CONFIG, f"{setting}: {why}.")
