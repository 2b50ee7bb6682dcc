"""`kq produce`: what ends up in the topic, and what is said about what does not."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from kq.cli.produce import pump
from kq.errors import Err
from kq.testing import Broker
from tests.cli.harness import run, spawn
from tests.support.patience import until


def stored(topic: str) -> list[tuple[str | None, str | None]]:
    """Key and value of all records, partition by partition."""
    out = run("consume", topic, "-e", "--json").ok().out
    records = sorted((json.loads(line) for line in out.splitlines()), key=lambda r: (r["partition"], r["offset"]))
    return [(record["key"], record["value"]) for record in records]


def sent(topic: str, *args: str, stdin: bytes = b"", create: bool = True) -> list[tuple[str | None, str | None]]:
    ran = run("produce", topic, *(["--create"] if create else []), *args, stdin=stdin).ok()
    assert (ran.out, ran.err) == ("", "")
    return stored(topic)


def test_lines(cluster: str, topic: str) -> None:
    assert sent(topic, stdin=b"one\n\nthree") == [(None, "one"), (None, ""), (None, "three")]


def test_keys_and_delimiters(cluster: str, topic: str) -> None:
    assert sent(topic, r"-D\0", r"-K\t", stdin=b"a\t1\0b\0c\t\t2\0") == [("a", "1"), (None, "b"), ("c", "\t2")]


@pytest.mark.parametrize("partitions", ["1", "3"])
def test_order_of_lines_with_and_without_key(cluster: str, topic: str, partitions: str) -> None:
    lines = [f"{'k:' if number % 3 else ''}{number}" for number in range(50)]
    expected = [("k", line[2:]) if ":" in line else (None, line) for line in lines]
    got = sent(topic, "-K:", "--partitions", partitions, stdin="\n".join(lines).encode())
    assert sorted(got, key=lambda record: int(record[1] or 0)) == expected
    places = [expected.index(record) for record in got]
    assert sum(later < earlier for earlier, later in itertools.pairwise(places)) < int(partitions)


def test_a_fixed_key_headers_partition_time_and_tombstones(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "3").ok()
    args = ["-k", "K", "-H", "a=1", "-H", "b", "-p", "2", "--timestamp", "2026-11-21T10:00:00Z", "-Z"]
    run("produce", topic, *args, stdin=b"v\n\n").ok()
    out = run("consume", topic, "-e", "-f", r"%p %k %h{%k=%v;}%V %d{strftime[%FT%T]}\n").ok().out
    assert out == "2 K a=1;b=;1 2026-11-21T10:00:00\n2 K a=1;b=;-1 2026-11-21T10:00:00\n"


def test_retries_that_last_are_told_with_their_reason(
    cluster: str, topic: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "LOOK_S", 0.05)
    monkeypatch.setattr(pump, "PATIENCE_S", 0.2)
    run("topic", "create", topic).ok()
    broker.inject("Produce", error="KAFKA_STORAGE_ERROR", topic=topic, times=5)
    ran = run("produce", topic, "-X", "retry.backoff.ms=100", "-X", "retry.backoff.max.ms=200", stdin=b"one\n").ok()
    reason = re.escape(Err.KAFKA_STORAGE_ERROR.text.rstrip("."))
    assert re.fullmatch(rf"kq: {re.escape(topic)}:0: still retrying after \ds: {reason}\n", ran.err)
    assert stored(topic) == [(None, "one")]

    broker.inject("Produce", error="KAFKA_STORAGE_ERROR", topic=topic, times=100)
    args = [
        "-X",
        "linger.ms=0",
        "-X",
        "delivery.timeout.ms=500",
        "-X",
        "request.timeout.ms=400",
        "-X",
        "retry.backoff.ms=50",
    ]
    ran = run("produce", topic, *args, stdin=b"two\nthree\n")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        f"kq: lines 1 to 2: {topic}:0 took no records for 0.5 s ({Err.KAFKA_STORAGE_ERROR.text.rstrip('.')}); not sent"
    )


def test_a_topic_with_fewer_partitions_takes_a_copy_whose_keys_decide(cluster: str, topic: str) -> None:
    large, small = f"{topic}-large", f"{topic}-small"
    run("topic", "create", large, "-p", "3").ok()
    run("topic", "create", small, "-p", "1").ok()
    for partition in range(3):
        run("produce", large, "-p", str(partition), "-K:", stdin=b"k%d:v\n" % partition).ok()
    copied = run("consume", large, "--json", "-e").ok().out.encode()
    ran = run("produce", small, "-f", "json", stdin=copied)
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert len(lines) == 4
    assert all("has 1 partition, numbered from 0; " in line for line in lines[:2])
    assert lines[2:] == ["kq: 2 records not sent", f"    let keys decide:  kq produce {small} -f json -p -1"]
    run("topic", "trim", small, "-o", "end", "--execute").ok()
    run("produce", small, "-f", "json", "-p", "-1", stdin=copied).ok()
    assert sorted(stored(small)) == [("k0", "v"), ("k1", "v"), ("k2", "v")]
    run("topic", "create", topic, "-p", "3").ok()
    run("produce", topic, "--json", "-p", "-1", stdin=copied).ok()
    spread = run("consume", topic, "-e", "-f", r"%k %p\n").ok().lines
    run("topic", "create", f"{topic}-java", "-p", "3").ok()
    run("produce", f"{topic}-java", "-K:", stdin=b"k0:v\nk1:v\nk2:v\n").ok()
    assert sorted(spread) == sorted(run("consume", f"{topic}-java", "-e", "-f", r"%k %p\n").ok().lines)
    refused = run("produce", f"{topic}:1", "-p", "-1")
    assert (refused.code, refused.err) == (2, f"kq: {topic}:1 names a partition, and -p -1 none; give one\n")


@pytest.mark.skipif(sys.platform != "linux", reason="how much a process has read is in /proc")
def test_a_source_that_never_waits_leaves_room_for_ctrl_c(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    with Path("/dev/zero").open("rb") as endless, spawn("produce", topic, stdin=endless) as process:
        try:
            until(lambda: _read_bytes(process.pid) > 100 << 20, "it reads and reads")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()


def test_what_was_read_is_sent_on_sigterm(cluster: str, topic: str) -> None:
    """Also what waits for its batch to fill."""
    run("topic", "create", topic).ok()
    with spawn("produce", topic, "-X", "linger.ms=60000", "-v", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"one\ntwo\nhal")
        process.stdin.flush()
        try:
            until(lambda: _unread_bytes(process.stdin) == 0, "it has read the lines")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 143
        finally:
            process.kill()
    assert run("consume", topic, "-e").ok().lines == ["one", "two"]


def _unread_bytes(pipe: IO[bytes] | None) -> int:
    """What still lies in the pipe."""
    assert pipe is not None
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
    return count


def _read_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().partition("rchar: ")[2].partition("\n")[0])


def test_files(cluster: str, topic: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1\n2")
    two.write_bytes(b"3\n")
    assert sent(topic, str(one), "-", str(two), stdin=b"x\n") == [(None, "1"), (None, "2"), (None, "x"), (None, "3")]
    assert run("produce", topic, str(tmp_path)).err == f"kq: {tmp_path}: is a directory\n"
    assert run("produce", topic, str(tmp_path / "none")).err == f"kq: {tmp_path}/none: no such file or directory\n"


def test_whole_files(cluster: str, topic: str, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_bytes(b"1\n2\n")
    assert sent(topic, "--whole", str(one), str(one)) == [(None, "1\n2\n")] * 2


def test_topic_as_a_flag_leaves_the_words_for_files(cluster: str, topic: str, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_bytes(b"1\n")
    run("produce", "-t", topic, str(one), "--create").ok()
    assert stored(topic) == [(None, "1")]


def test_a_format(cluster: str, topic: str) -> None:
    got = sent(topic, "-f", "%K{big32}%k%V{big32}%v", stdin=b"\0\0\0\1k\0\0\0\2v\n\xff\xff\xff\xff\xff\xff\xff\xff")
    assert got == [("k", "v\n"), (None, None)]


def test_json_lines(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "2").ok()
    lines = (
        b'{"partition":1,"key":"k","value":{"n":1},"headers":{"h":"x"},"timestamp_ms":1000}\n'
        b'{"partition":0,"value_base64":"/w=="}\n\n'
    )
    run("produce", topic, "--json", stdin=lines).ok()
    records = [json.loads(line) for line in run("consume", topic, "-e", "--json", "-t", f"{topic}:0,1").ok().lines]
    assert sorted(records, key=lambda r: r["partition"]) == [
        {"topic": topic, "partition": 0, "offset": 0, "timestamp_ms": records[0]["timestamp_ms"]}
        | {"key": None, "value_base64": "/w==", "headers": [], "timestamp_ms": max(r["timestamp_ms"] for r in records)},
        {"topic": topic, "partition": 1, "offset": 0, "timestamp_ms": 1000, "key": "k", "value": '{"n":1}'}
        | {"headers": [{"name": "h", "value": "x"}]},
    ]


def test_a_copy_is_exact(cluster: str, topic: str) -> None:
    source, copy = f"{topic}-a", f"{topic}-b"
    for name in (source, copy):
        run("topic", "create", name, "-p", "3").ok()
    run("produce", source, "-K:", "-Z", "-H", "h=1", stdin=b"".join(b"%d:%d\n" % (n % 7, n) for n in range(500))).ok()
    run("produce", source, "--whole", "-H", "n", stdin=bytes(range(256))).ok()
    dump = run("consume", source, "-e", "--json").ok().out.encode("utf-8", "surrogateescape")
    run("produce", copy, "--json", stdin=dump).ok()
    again = run("consume", copy, "-e", "--json").ok().out

    def records(text: str) -> list[str]:
        return sorted(line.partition(',"partition"')[2] for line in text.splitlines())

    assert records(again) == records(dump.decode())


def test_records_that_name_their_topics(cluster: str, topic: str) -> None:
    names = [f"{topic}-a", f"{topic}-b"]
    run("topic", "create", *names).ok()
    run("produce", "--json", stdin="".join(f'{{"topic":"{name}","value":"{name}"}}\n' for name in names).encode()).ok()
    assert [stored(name) for name in names] == [[(None, name)] for name in names]
    ran = run("produce", "--json", stdin=b'{"topic":"nowhere-at-all","value":"x"}\n{"value":"y"}\n')
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "kq: line 2: names no topic, and none was given; not sent",
        "kq: line 1: no topic 'nowhere-at-all'; not sent",
    ]


def test_a_line_that_is_too_large(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-c", "max.message.bytes=2000").ok()
    ran = run("produce", topic, "-q", stdin=b"1\n" + b"x" * 3000 + b"\n3\n")
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("kq: line 2: 3,")
    assert ran.err.endswith(" bytes, over max.message.bytes 2,000; not sent\n")
    assert stored(topic) == [(None, "1"), (None, "3")]


def test_a_line_that_never_ends_costs_no_memory(cluster: str, topic: str) -> None:
    ran = run("produce", topic, "--create", stdin=b"1\n" + b"x" * 5_000_000 + b"\n3\n")
    assert ran.code == 1
    assert ran.err == "kq: line 2: 5,000,000 bytes, over max.message.bytes 1,048,588; not sent\n"
    assert stored(topic) == [(None, "1"), (None, "3")]


def test_lines_that_are_no_json(cluster: str, topic: str) -> None:
    ran = run("produce", topic, "--create", "--json", stdin=b'{"value":"1"}\nnonsense\n{"value":"3"}\n{"vale":1}\n')
    assert ran.code == 1
    assert [line.partition(":")[2].partition(":")[0].strip() for line in ran.err.splitlines()] == ["line 2", "line 4"]
    assert "no field is called 'vale'; did you mean 'value'?" in ran.err
    assert stored(topic) == [(None, "1"), (None, "3")]


def test_a_partition_as_it_is_written_everywhere(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "3").ok()
    run("produce", f"{topic}:2", stdin=b"x\n").ok()
    run("produce", "-t", f"{topic}:1", stdin=b"y\n").ok()
    assert sorted(run("consume", topic, "-e", "-f", "%p %v\n").ok().lines) == ["1 y", "2 x"]


def test_a_partition_that_does_not_exist(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    ran = run("produce", topic, "-p", "7", stdin=b"x\n")
    assert ran == (3, "", f"kq: topic {topic} has no partition 7; it has partition 0 alone\n")
    ran = run("produce", topic, "--json", stdin=b'{"partition":3,"value":"x"}\n{"value":"y"}\n')
    assert ran.code == 1
    assert ran.err.startswith("kq: line 1: ")
    assert stored(topic) == [(None, "y")]


def test_a_topic_that_does_not_exist(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    assert run("produce", f"{topic}x", stdin=b"x\n") == (
        3,
        "",
        f"kq: no topic '{topic}x' on {cluster}; did you mean '{topic}'?\n"
        f"    create it:    kq produce {topic}x --create\n",
    )
    run("produce", f"{topic}x", "--create", "--partitions", "4", stdin=b"x\n").ok()
    assert len(run("topic", "offsets", f"{topic}x").ok().lines) == 5


def test_reports(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "2", "-c", "max.message.bytes=2000").ok()
    run("produce", topic, "-p", "0", stdin=b"before\n").ok()
    lines = b"a\n" + b"x" * 3000 + b"\nb\n"
    ran = run("produce", topic, "-p", "0", "--report", "json", stdin=lines)
    assert ran.code == 1
    reports = [json.loads(line) for line in ran.lines]
    assert [(r["number"], r["partition"], r["offset"]) for r in reports] == [(1, 0, 1), (2, None, None), (3, 0, 2)]
    assert reports[1]["error"]["code"] == "MESSAGE_TOO_LARGE"
    ran = run("produce", topic, "-p", "1", "-k", "K", "--report", r"%t:%p@%o %k=%v\n", stdin=b"a\nb\n").ok()
    assert ran.lines == [f"{topic}:1@0 K=a", f"{topic}:1@1 K=b"]
    assert run("produce", topic, "--report", "%e").code == 2


def test_a_count_and_a_rate(cluster: str, topic: str) -> None:
    began = time.monotonic()
    assert sent(topic, "-n", "30", "--rate", "100", stdin=b"x\n" * 1000) == [(None, "x")] * 30
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression_and_acks(cluster: str, topic: str, codec: str) -> None:
    run("topic", "create", topic).ok()
    for acks in ("0", "1", "all"):
        run("produce", topic, "-z", codec, "--acks", acks, stdin=b"same\n" * 100).ok()
    deadline = time.monotonic() + 10  # acks=0 does not wait
    while len(stored(topic)) < 300 and time.monotonic() < deadline:
        time.sleep(0.05)
    out = run("consume", topic, "-e", "-f", r"%v %a{compression}\n").ok().lines
    assert out == [f"same {codec}"] * 300


def test_a_pipe_that_stays_open_is_sent_as_it_comes(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    reader, writer = os.pipe()
    with spawn("produce", topic, stdin=reader) as process:
        os.close(reader)
        os.write(writer, b"first\nsec")
        deadline = time.monotonic() + 20
        while not (got := stored(topic)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert got == [(None, "first")]
        os.write(writer, b"ond\n")
        os.close(writer)
        assert process.wait(20) == 0
    assert stored(topic) == [(None, "first"), (None, "second")]


def test_everything_the_broker_refuses_is_named(broker: Broker, cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-c", "cleanup.policy=compact").ok()
    ran = run("produce", topic, "-K:", stdin=b"k:1\nno key\nk:2\n")
    assert ran.code == 1
    assert re.fullmatch(r"kq: lines 1 to 3: .+; not sent\n", ran.err)  # as Kafka: all of the batch


def test_the_last_line_with_v(cluster: str, topic: str) -> None:
    err = run("produce", topic, "--create", "-v", stdin=b"12345\n12345\n").ok().err
    assert err.splitlines()[-1].startswith(f"{topic}: 2 records, 10 B in ")


def test_contradictions() -> None:
    for args in (("--json", "--whole"), ("--json", "-K:"), ("-f", "%v\\n", "--json"), ("-n", "0"), ("--rate", "0")):
        assert run("produce", "t", *args).code == 2, args
    assert run("produce", "t", "-t", "a", "-t", "b").code == 2
    assert run("produce").err == "kq: produce: TOPIC is missing\n    write:        kq produce TOPIC\n"
