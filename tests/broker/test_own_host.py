"""What clients are told where a listener is on every interface."""

from __future__ import annotations

import socket

import pytest

from kq.broker import own_host as module
from kq.broker.own_host import own_host

EVERYWHERE = ("", "0.0.0.0", "::")


def resolving_to(*addresses: str) -> object:
    def getaddrinfo(name: str, port: object, **_: object) -> list[tuple[object, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    return getaddrinfo


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(module.socket, "getfqdn", lambda: "box")
    monkeypatch.setattr(module, "_outward", lambda family: "10.1.2.3" if family == socket.AF_INET else None)
    return monkeypatch


def test_one_address_is_told_as_it_was_written() -> None:
    assert own_host("10.0.0.1") == "10.0.0.1"
    assert own_host("localhost") == "localhost"


@pytest.mark.parametrize("everywhere", EVERYWHERE)
def test_a_name_that_others_can_use_is_told(hosts: pytest.MonkeyPatch, everywhere: str) -> None:
    hosts.setattr(module.socket, "getaddrinfo", resolving_to("127.0.1.1", "10.9.9.9"))
    assert own_host(everywhere) == "box"


@pytest.mark.parametrize("addresses", [(), ("127.0.0.1", "::1"), ("127.0.1.1",), ("fe80::1%eth0",)], ids=str)
def test_a_name_of_the_loopback_or_of_nobody_gives_way_to_the_address(
    hosts: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    hosts.setattr(module.socket, "getaddrinfo", resolving_to(*addresses))
    assert own_host("0.0.0.0") == "10.1.2.3"
    hosts.setattr(module, "_outward", lambda family: None)  # no network: nobody is elsewhere
    assert own_host("0.0.0.0") == "box"


def test_here() -> None:
    for everywhere in EVERYWHERE:
        assert own_host(everywhere) not in EVERYWHERE
