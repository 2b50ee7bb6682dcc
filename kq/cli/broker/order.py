"""What was asked of `kq broker start`, and what can be said about it before the broker is started."""

from __future__ import annotations

import errno
import os
import socket
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kq.cli.broker.place import Place, place_of
from kq.cli.broker.running import home_short
from kq.cli.run.failures import Failure, Hint, Usage, os_reason

MAX_PORT = 65_535


@dataclass(frozen=True)
class Order:
    chosen_dir: str | None
    """--data-dir, where it was given."""
    listen: str | None
    advertise: str | None = None
    config: str | None = None
    settings: list[str] = field(default_factory=list)
    verbose: bool = False

    def argv(self, ready_fd: int) -> list[str]:
        """The broker's command line: what was decided here comes after the file, and counts."""
        argv = [sys.executable, "-m", "kq.broker", "--data-dir", str(self.data_dir), "--ready-fd", str(ready_fd)]
        for flag, value in (("--listen", self.listen), ("--advertise", self.advertise), ("--config", self.config)):
            if value is not None:
                argv += [flag, value]
        for setting in self.settings:
            argv += ["-s", setting]
        return [*argv, *(["-v"] if self.verbose else [])]

    @property
    def data_dir(self) -> Path:
        return self.place.directory

    @cached_property
    def place(self) -> Place:
        return place_of(self.chosen_dir, self.given)

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
        """Raises a sentence where an address, a setting or the file is wrong, the port is taken, or the directory is
        none."""
        for flag, address in (("--listen", self.listen), ("--advertise", self.advertise)):
            if address is not None:
                split_address(address, flag)
        self._refuse_unknown()
        if self.listen is not None and "listeners" not in self._own:
            _try_port(self.listen)
        _try_directory(self.data_dir)

    def _refuse_unknown(self) -> None:
        """A name that nobody knows is a mistake on the command line; in a file it may be another program's."""
        if not self._own:
            return
        from kq.config.broker import refuse_unknown
        from kq.errors import KafkaError

        for name in self._own:
            try:
                refuse_unknown(name)
            except KafkaError as error:
                raise Usage(f"-s {name}={self._own[name]}: {_sentence(error)}") from None

    def remarks(self) -> list[str]:
        """What of the file has no effect. The broker logs the same, which nobody sees who detaches it."""
        if self.config is None:
            return []
        from kq.config.broker import disregarded

        names = disregarded(self.given)
        return [f"--config {self.config}: {line}" for line in names.lines()]


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


def _sentence(error: Exception) -> str:
    """As the end of a line that has begun already."""
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]


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


def _try_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as fault:
        raise Failure(
            f"no data directory can be made at {home_short(directory)}: {os_reason(fault)}",
            Hint("elsewhere", "kq broker start --data-dir DIR"),
        ) from None
