"""Where a broker listens: a host and a port, and how they are written."""

from __future__ import annotations

from typing import NamedTuple, Self

from kq.client.setting_types import invalid

__all__ = ["Address"]

DEFAULT_PORT = 9092


class Address(NamedTuple):
    host: str  # a name or an IP address, without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """HOST:PORT, HOST, [IPV6]:PORT, also with librdkafka's PROTOCOL:// in front; KafkaError(INVALID_CONFIG)."""
        rest = text.rpartition("://")[2]
        host, colon, port = rest.rpartition(":")
        if not colon or (":" in host and not host.endswith("]")):
            host, port = rest, str(DEFAULT_PORT)
        if port.isdecimal() and not 0 < int(port) < 65536:
            raise invalid(f"bootstrap.servers: {text!r}: a port is 1 to 65535, and {port} is none")
        if not port.isdecimal() or not host.strip("[]"):
            raise invalid(f"bootstrap.servers: {text!r} is not HOST:PORT")
        return cls(host.strip("[]"), int(port))
