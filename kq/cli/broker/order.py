"""What was asked of `kq broker start`, and what can be said about it before the broker is started."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kq.cli.run.failures import Failure, Usage, os_reason

MAX_PORT = 65_535


@dataclass(frozen=True)
class Order:
    data_dir: Path
    listen: str | None
    advertise: str | None = None
    config: str | None = None
    settings: list[str] = field(default_factory=list)
    verbose: bool = False

    def argv(self, ready_fd: int) -> list[str]:
        argv = [sys.executable, "-m", "kq.broker", "--data-dir", str(self.data_dir), "--ready-fd", str(ready_fd)]
        for flag, value in (("--listen", self.listen), ("--advertise", self.advertise), ("--config", self.config)):
            if value is not None:
                argv += [flag, value]
        for setting in self.settings:
            argv += ["-s", setting]
        return [*argv, *(["-v"] if self.verbose else [])]

    @cached_property
    def given(self) -> dict[str, str]:
        """The broker settings of this start: the file's, and over them those of -s."""
        return {**(_read_properties(self.config) if self.config else {}), **self._own}

    @cached_property
    def _own(self) -> dict[str, str]:
        pairs = {}
        for setting in self.settings:
            key, equals, value = setting.partition("=")
            if not equals or not key.strip():
                raise Usage(f"-s {setting}: write -s key=value, as in -s num.partitions=3")
            pairs[key.strip()] = value
        return pairs

    def check(self) -> None:
        """Raises a sentence where an address, a setting or the file is wrong, or the port is taken."""
        for flag, address in (("--listen", self.listen), ("--advertise", self.advertise)):
            if address is not None:
                split_address(address, flag)
        _ = self.given
        if self.listen is not None and "listeners" not in self._own:
            _try_port(self.listen)


def _read_properties(path: str) -> dict[str, str]:
    from kq.config import parse_properties
    from kq.errors import KafkaError

    try:
        data = Path(path).read_bytes()
    except OSError as fault:
        raise Failure(f"--config {path}: {os_reason(fault)}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # what Java takes every properties file for
    try:
        return dict(parse_properties(text))
    except KafkaError as error:
        raise Failure(f"--config {path}: {error}") from None


def split_address(address: str, flag: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or not host or bare_ipv6 or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise Usage(f"{flag} {address}: write HOST:PORT, as in 127.0.0.1:9092 or [::1]:9092")
    return host.strip("[]"), int(port)


def addresses_of(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """(family, address) for each address of a name, the one that the broker takes first: IPv4, as Java does."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    unique = dict.fromkeys((family, address[:2]) for family, _, _, _, address in found)
    return sorted(unique, key=lambda one: one[0] != socket.AF_INET)  # type: ignore[arg-type]


def _try_port(listen: str) -> None:
    host, port = split_address(listen, "--listen")
    elsewhere = Failure(f"--listen {listen}: '{host}' is no address of this machine")
    try:
        family, address = addresses_of(host, port)[0]
    except (OSError, UnicodeError):  # UnicodeError: no name that could be looked up
        raise elsewhere from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                free = f"[{host}]:0" if ":" in host else f"{host}:0"
                raise Failure(
                    f"{listen} is in use; take a free port: kq broker start --listen {free}", code="PORT_IN_USE"
                ) from None
            if fault.errno == errno.EADDRNOTAVAIL:
                raise elsewhere from None
            if fault.errno == errno.EACCES:
                raise Failure(f"--listen {listen}: ports under 1024 are for root") from None
            raise
