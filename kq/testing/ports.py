"""Port numbers that a broker can come back to.

A port the kernel hands out (port 0) lies in the range it also draws source ports from: while the broker is down, any
outgoing connection of the machine may take it, and a client that retries on loopback can even connect to itself. So
brokers under test listen below that range (Linux 32768, macOS 49152).
"""

from __future__ import annotations

import secrets
import socket

FIRST, LAST = 16384, 32767


def free_port(host: str) -> int:
    """A port nobody listens on now. Another process may be faster: the caller tries again with the next."""
    for _ in range(200):
        port = FIRST + secrets.randbelow(LAST - FIRST + 1)
        if is_free(host, port):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST} on {host}")


def is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
