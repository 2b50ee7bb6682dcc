"""kcat as Debian ships it (librdkafka 2.0): pipes in and out, every codec, metadata, offsets by time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from tests.support.missing import need_command

MakeTopic = Callable[..., str]


def kcat(bootstrap: str, *arguments: str, stdin: bytes = b"") -> bytes:
    command = [need_command("kcat", "kcat"), "-b", bootstrap, "-q", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_file_goes_in_and_comes_out(bootstrap: str, make_topic: MakeTopic, codec: str) -> None:
    topic = make_topic()
    lines = b"".join(b"line %d of a file\n" % i for i in range(20_000))
    kcat(bootstrap, "-P", "-t", topic, "-z", codec, "-X", "enable.idempotence=true", stdin=lines)
    assert kcat(bootstrap, "-C", "-t", topic, "-e", "-X", "check.crcs=true") == lines


@pytest.mark.parametrize("acks", ["0", "1", "-1"])
def test_acks(bootstrap: str, make_topic: MakeTopic, acks: str) -> None:
    topic = make_topic()
    kcat(bootstrap, "-P", "-t", topic, "-X", f"acks={acks}", stdin=b"a\nb\nc\n")
    assert kcat(bootstrap, "-C", "-t", topic, "-c", "3") == b"a\nb\nc\n"


def test_keys_headers_tombstones_and_offsets(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    kcat(bootstrap, "-P", "-t", topic, "-p", "1", "-K:", "-H", "a=1", "-H", "b=2", stdin=b"k1:v1\nk2:v2\n")
    kcat(bootstrap, "-P", "-t", topic, "-p", "1", "-K:", "-Z", stdin=b"k3:\n")
    shown = kcat(bootstrap, "-C", "-t", topic, "-p", "1", "-e", "-f", "%p %o %k=%s (%S) [%h]\\n")
    assert shown.splitlines() == [b"1 0 k1=v1 (2) [a=1,b=2]", b"1 1 k2=v2 (2) [a=1,b=2]", b"1 2 k3= (-1) []"]
    assert kcat(bootstrap, "-C", "-t", topic, "-p", "1", "-o", "1", "-e") == b"v2\n\n"
    assert kcat(bootstrap, "-C", "-t", topic, "-p", "1", "-o", "-1", "-e", "-f", "%k") == b"k3"


def test_metadata(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    listed = json.loads(kcat(bootstrap, "-L", "-J", "-t", topic))
    assert [broker["name"] for broker in listed["brokers"]] == [bootstrap]
    assert [partition["partition"] for partition in listed["topics"][0]["partitions"]] == [0, 1, 2]


def test_offsets_by_time(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    kcat(bootstrap, "-P", "-t", topic, stdin=b"a\nb\n")
    stamps = [int(t) for t in kcat(bootstrap, "-C", "-t", topic, "-e", "-f", "%T\\n").split()]

    def asked(timestamp: int) -> int:
        return int(kcat(bootstrap, "-Q", "-t", f"{topic}:0:{timestamp}").split()[-1])

    assert asked(stamps[0]) == 0
    assert asked(stamps[1] + 1) == -1  # nothing that late
    assert asked(-1) == 2
    assert asked(-2) == 0
