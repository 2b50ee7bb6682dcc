"""What clients are told where a listener is on every interface: a name of this machine that others can use.

Kafka asks `InetAddress.getLocalHost().getCanonicalHostName()`. On many machines that is `localhost`, or a name that
`/etc/hosts` puts on 127.0.1.1: a client elsewhere would connect to itself. So a name that leads to this machine's
loopback (or nowhere) gives way to the address from which this machine reaches others, if it reaches any.
"""

from __future__ import annotations

import ipaddress
import socket

EVERY_INTERFACE = ("", "0.0.0.0", "::")
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that nobody has (RFC 5737, RFC 3849): the way to them is the way to anybody."""


def own_host(listener_host: str) -> str:
    if listener_host not in EVERY_INTERFACE:
        return listener_host
    name = socket.getfqdn()
    if leads_elsewhere(name):
        return name
    return _outward(socket.AF_INET) or _outward(socket.AF_INET6) or name


def leads_elsewhere(name: str) -> bool:
    """Whether the name has an address that is not the loopback."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(not _is_local(str(address[0])) for *_, address in found)


def _outward(family: socket.AddressFamily) -> str | None:
    """The address of this machine on the way out. Nothing is sent: UDP connects by looking up the route."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ELSEWHERE[family], 9))
            address = str(probe.getsockname()[0])
    except OSError:  # no route
        return None
    return None if _is_local(address) else address


def _is_local(address: str) -> bool:
    """Loopback, every interface, or one that is only valid on a link."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_loopback or parsed.is_unspecified or parsed.is_link_local
