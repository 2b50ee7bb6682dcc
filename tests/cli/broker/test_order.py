"""What `kq broker start` was asked for, and what its banner says of it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from kq.cli.broker import order as orders
from kq.cli.broker.banner import banner, misled
from kq.cli.broker.order import Order
from kq.cli.run.failures import Failure, Usage

READY = {
    "bootstrap": "localhost:9092",
    "listens": ["127.0.0.1:9092"],
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
    order = Order(str(tmp_path), None, config=str(file), settings=["b=3", " c = 4"])
    assert order.given == {"a": "1", "b": "3", "c": " 4"}


def test_a_file_that_is_no_properties(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("a=\\u12\n")
    with pytest.raises(Failure, match=f"--config {file}: "):
        Order(str(tmp_path), None, config=str(file)).check()


def two_addresses(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]


def test_of_several_addresses_the_banner_names_the_one_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders.socket, "getaddrinfo", two_addresses)
    text = banner(Order(str(tmp_path), "localhost:9092"), READY, took_s=0.2, color=False)
    assert "127.0.0.1:9092" in text
    assert "this machine only, as localhost:9092; not on ::1\n" in text
    assert "1 topic, 2 partitions, 0 B, clean start\n" in text
    Order(str(tmp_path), "localhost:0").check()  # the address that is tried is the one that the broker takes


def test_an_address_needs_no_words(tmp_path: Path) -> None:
    ready = {**READY, "bootstrap": "127.0.0.1:9092"}
    text = banner(Order(str(tmp_path), "127.0.0.1:9092"), ready, took_s=0.2, color=False)
    assert "this machine only\n" in text


EVERYWHERE = {**READY, "listens": ["0.0.0.0:9092", "127.0.0.1:9093"]}


def test_the_banner_tells_what_is_bound_from_what_clients_are_told(tmp_path: Path) -> None:
    order = Order(str(tmp_path), "0.0.0.0:9092")
    told = {**EVERYWHERE, "bootstrap": "box.example:9092"}
    listening = banner(order, told, took_s=0.2, color=False).splitlines()[1:3]
    assert re.fullmatch(r"  listens on  0\.0\.0\.0:9092 +other machines too, as box\.example:9092", listening[0])
    assert re.fullmatch(r" {14}127\.0\.0\.1:9093 +this machine only", listening[1])
    assert misled(order, told) is None


def test_clients_elsewhere_that_would_be_sent_to_themselves(tmp_path: Path) -> None:
    order = Order(str(tmp_path), "0.0.0.0:9092")
    sentence = "clients on other machines are told localhost:9092, which is themselves; give --advertise HOST:PORT"
    assert misled(order, EVERYWHERE) == sentence
    assert f"\n! {sentence}\n" in banner(order, EVERYWHERE, took_s=0.2, color=False)
    assert misled(Order(str(tmp_path), "0.0.0.0:9092", advertise="localhost:9092"), EVERYWHERE) is None  # as asked
    assert misled(Order(str(tmp_path), "localhost:9092"), READY) is None


def directory_of(data_dir: str | None, tmp_path: Path, text: str = "", *settings: str) -> tuple[str, str | None]:
    """Where the data goes, and what is said, under the directory of the test."""
    file = tmp_path / "server.properties"
    file.write_text(text)
    place = Order(data_dir, None, config=str(file), settings=list(settings)).place
    return place.directory.relative_to(tmp_path).as_posix(), place.not_followed


def test_where_the_data_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--data-dir > KQ_DATA_DIR > log.dirs > log.dir > XDG; whatever names another directory is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/nowhere")
    assert directory_of(None, tmp_path) == ("data/kq", None)
    assert directory_of(None, tmp_path, "log.dir=a") == ("a", None)
    assert directory_of(None, tmp_path, "log.dir=a", f"log.dir={tmp_path}/b") == ("b", None)
    both = "log.dir=a\nlog.dirs=b"
    assert directory_of(None, tmp_path, both) == ("b", f"the data is in {tmp_path}/b (log.dirs), not in log.dir=a")
    monkeypatch.setenv("KQ_DATA_DIR", str(tmp_path / "c"))
    said = f"the data is in {tmp_path}/c (KQ_DATA_DIR), not in log.dirs=b or log.dir=a"
    assert directory_of(None, tmp_path, both) == ("c", said)
    said = f"the data is in {tmp_path}/d (--data-dir), not in log.dirs=x,y"
    assert directory_of("d", tmp_path, "log.dirs=x,y") == ("d", said)
    assert directory_of("d", tmp_path, f"log.dirs={tmp_path}/d") == ("d", None)


def test_several_data_directories_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(Usage) as refused:
        directory_of(None, tmp_path, "log.dirs=/x,/y")
    assert refused.value.message == "log.dirs=/x,/y names 2 directories, and a kq broker keeps its data in one"
    assert refused.value.hints == (("choose one", "kq broker start --data-dir /x"),)
    with pytest.raises(Usage, match=r"log\.dirs cannot be '': it must name at least one item"):
        directory_of(None, tmp_path, "log.dirs=")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("bogus=1", "there is no broker setting bogus"),
        ("num.partitons=3", "there is no broker setting num.partitons (did you mean num.partitions?)"),
        ("retention.ms=5", "retention.ms is a topic's setting; for all topics of a broker it is log.retention.ms"),
    ],
)
def test_a_setting_that_nobody_knows_is_refused(tmp_path: Path, setting: str, why: str) -> None:
    with pytest.raises(Usage) as refused:
        Order(str(tmp_path), None, settings=[setting]).check()
    assert refused.value.message == f"-s {setting}: {why}"


def test_settings_of_kafka_and_of_one_listener_are_known(tmp_path: Path) -> None:
    settings = ["log.cleaner.threads=2", "listener.name.inside.ssl.client.auth=none", "kq.max.open.files=100"]
    Order(str(tmp_path / "data"), None, settings=settings).check()
