"""What `kq broker start` was asked for, and what its banner says of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kq.cli.broker import order as orders
from kq.cli.broker.banner import banner
from kq.cli.broker.order import Order
from kq.cli.run.failures import Failure

READY = {
    "bootstrap": "localhost:9092",
    "node_id": 1,
    "cluster_id": "c",
    "version": "0.1.0",
    "topics": 1,
    "partitions": 2,
    "size_bytes": 0,
    "clean": True,
}


def test_a_flag_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_bytes("a=1\nb=2\n# caf\xe9\n".encode("latin-1"))
    order = Order(tmp_path, None, config=str(file), settings=["b=3", " c = 4"])
    assert order.given == {"a": "1", "b": "3", "c": " 4"}


def test_a_file_that_is_no_properties(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("a=\\u12\n")
    with pytest.raises(Failure, match=f"--config {file}: "):
        Order(tmp_path, None, config=str(file)).check()


def two_addresses(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]


def test_of_several_addresses_the_banner_names_the_one_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders.socket, "getaddrinfo", two_addresses)
    text = banner(Order(tmp_path, "localhost:9092"), READY, took_s=0.2, color=False)
    assert "this machine only: on 127.0.0.1, not on ::1\n" in text
    assert "1 topic, 2 partitions, 0 B, clean start\n" in text
    Order(tmp_path, "localhost:0").check()  # the address that is tried is the one that the broker takes


def test_an_address_needs_no_words(tmp_path: Path) -> None:
    text = banner(Order(tmp_path, "127.0.0.1:9092"), {**READY, "bootstrap": "127.0.0.1:9092"}, took_s=0.2, color=False)
    assert "this machine only\n" in text
