"""kq's commands, as processes in pipes, against kq's broker and against Apache Kafka: they speak only the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support.patience import until
from tests.support.peers import Kafka
from tests.support.rdkafka import ODD_RECORDS, RECENT_MS, client, produce, read

MakeTopic = Callable[..., str]
Kq = Callable[..., "subprocess.CompletedProcess[bytes]"]

KQ = Path(sys.executable).parent / "kq"


def commands(bootstrap: str, home: Path) -> Kq:
    """Runs `kq ...` on that broker, with settings that no file of this machine can change."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "KQ_BOOTSTRAP": bootstrap, "TZ": "UTC"}

    def run(*arguments: str, stdin: bytes = b"", code: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [str(KQ), *arguments], input=stdin, capture_output=True, timeout=60, env=environment, check=False
        )
        assert done.returncode == code, f"kq {' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}"
        return done

    return run


@pytest.fixture
def kq_command(bootstrap: str, tmp_path: Path) -> Kq:
    return commands(bootstrap, tmp_path)


def table(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, str]]:
    header, *rows = (line.split("\t") for line in done.stdout.decode().splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_topics(kq_command: Kq, name: str) -> None:
    kq_command("topic", "create", name, "-p", "3", "-c", "retention.ms=777777")
    kq_command("topic", "create", name, "-p", "3", "--if-not-exists")
    assert b"exists" in kq_command("topic", "create", name, code=1).stderr
    assert [row["PARTITIONS"] for row in table(kq_command("topic", "list")) if row["TOPIC"] == name] == ["3"]
    assert [row["LEADER"] for row in table(kq_command("topic", "describe", name))] == ["1"] * 3
    settings = {row["SETTING"]: row["VALUE"] for row in table(kq_command("config", "describe", "topic", name))}
    assert settings["retention.ms"] == "777777"
    kq_command("config", "alter", "topic", name, "retention.ms=86400000", "segment.ms=3600000")

    def settled() -> bool:
        everything = {row["SETTING"]: row for row in table(kq_command("config", "describe", "topic", name, "--all"))}
        assert len(everything) == 33
        return (everything["retention.ms"]["VALUE"], everything["segment.ms"]["FROM"]) == ("86400000", "topic")

    until(settled, "the changes are seen")
    assert b"retention.ms" in kq_command("config", "alter", "topic", name, "retention.ms=soon", code=1).stderr
    kq_command("topic", "alter", name, "-p", "5")
    until(lambda: len(table(kq_command("topic", "describe", name))) == 5, "there are 5 partitions")
    kq_command("topic", "delete", name, "--yes")
    kq_command("topic", "describe", name, code=3)
    kq_command("topic", "delete", name, "--yes", code=3)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_file_goes_in_and_comes_out(kq_command: Kq, bootstrap: str, make_topic: MakeTopic, codec: str) -> None:
    topic = make_topic()
    lines = b"".join(b"line %d of a file %s\n" % (i, b"x" * (i % 100)) for i in range(30_000))
    kq_command("produce", topic, "-z", codec, stdin=lines)
    assert kq_command("consume", topic, "-e").stdout == lines
    assert b"".join((m.value() or b"") + b"\n" for m in read(bootstrap, topic, check_crcs=True)) == lines


def test_kq_and_librdkafka_read_each_other(kq_command: Kq, bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        produce(
            bootstrap, topic, [{"key": k, "value": v, "headers": h} for k, v, h in ODD_RECORDS], compression_type=codec
        )
    copy = f"{topic}-copy"
    kq_command("topic", "create", copy)
    taken = kq_command("consume", topic, "-e", "--json").stdout
    assert len(taken.splitlines()) == 5 * len(ODD_RECORDS)
    kq_command("produce", copy, "--json", stdin=taken)
    copied = read(bootstrap, copy, check_crcs=True)
    assert [(m.key(), m.value(), m.headers() or []) for m in copied] == [tuple(record) for record in ODD_RECORDS] * 5
    assert [m.timestamp() for m in copied] == [m.timestamp() for m in read(bootstrap, topic)]


def test_keys_go_where_java_puts_them(kq_command: Kq, bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(7)
    keys = [b"%d" % i for i in range(200)]
    kq_command("produce", topic, "-K:", stdin=b"".join(key + b":kq\n" for key in keys))
    produce(bootstrap, topic, [{"key": key, "value": b"java"} for key in keys], partitioner="murmur2_random")
    places: dict[bytes, set[tuple[bytes | None, int]]] = {}
    for m in read(bootstrap, topic, 7):
        places.setdefault(m.value() or b"", set()).add((m.key(), m.partition()))
    assert len(places[b"kq"]) == 200
    assert places[b"kq"] == places[b"java"]


def test_offsets_trim_and_time(kq_command: Kq, bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i, "timestamp": RECENT_MS + 1000 * i} for i in range(100)])
    assert kq_command("consume", topic, "-e", "-o", "-3").stdout == b"97\n98\n99\n"
    assert kq_command("consume", topic, "-o", "10:13").stdout == b"10\n11\n12\n"
    since = kq_command("consume", topic, "-e", "-o", f"@{RECENT_MS + 96_500}").stdout
    assert since == b"97\n98\n99\n"
    kq_command("topic", "trim", topic, "-o", "40", "--execute")
    [row] = table(kq_command("topic", "offsets", topic))
    assert (row["START"], row["END"], row["RECORDS"]) == ("40", "100", "60")
    assert kq_command("consume", topic, "-n", "1").stdout == b"40\n"


def test_the_cluster_is_shown(kq_command: Kq, bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"x" * 5000}])
    assert [row["ADDRESS"] for row in table(kq_command("cluster", "info"))] == [bootstrap]
    versions = {row["API"]: (row["MIN"], row["MAX"]) for row in table(kq_command("cluster", "api-versions"))}
    assert versions["Produce"] == ("0", "13")
    sizes = {row["PARTITION"]: int(row["SIZE"]) for row in table(kq_command("cluster", "log-dirs"))}
    assert 5000 < sizes[f"{topic}:0"] < 5200
    measured = json.loads(kq_command("bench", "produce", "-n", "5000", "--json").stdout)
    assert measured["records"] == 5000


@pytest.mark.java
def test_aborted_transactions_are_not_shown(kafka: Kafka, name: str, tmp_path: Path) -> None:
    producer = Producer(client(kafka.bootstrap, transactional_id=name))
    producer.init_transactions(30)
    for value, end in (
        (b"a", producer.commit_transaction),
        (b"b", producer.abort_transaction),
        (b"c", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(name, value)
        end(30)
    assert commands(kafka.bootstrap, tmp_path)("consume", name, "-e").stdout == b"a\nc\n"
