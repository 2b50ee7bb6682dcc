"""What consumer groups cost a kq broker: `python -m bench.groups [--json FILE]`.

Four figures, each beside the target of the issue. The clients are plain sockets that send requests encoded beforehand,
so that the broker is the one who works; processor time is the broker's own, from /proc.

| figure | how |
|---|---|
| commits a second | 8 connections, 50 requests in flight on each, one offset a request |
| heartbeats | 1,000 groups of 3 members, each with its connection and a heartbeat every 3 s |
| 200 join | one empty group, all at once; from the first JoinGroup to the last SyncGroup, less the initial delays |
| load | 100,000 committed offsets of 1,000 groups; the longest of all shards by the log; and from the broker's start |
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.processes import cpu_seconds
from kq.errors import Err
from kq.testing import Broker
from kq.wire.api import Api
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.groups import FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP, LIST_GROUPS, SYNC_GROUP
from kq.wire.frame import parse_response, request_parts, response_parts

TARGETS = {"commits_per_s": 10_000, "heartbeat_core_percent": 20, "join_s": 3, "load_s": 2}
JOIN_VERSION = 3  # the last one that lets a new member in without telling its id first
DELAY_MS = 500


class Client:
    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, api: Api, version: int, request: Any) -> Any:
        self.send(api, version, request)
        return self.receive(api, version)

    def send(self, api: Api, version: int, request: Any) -> None:
        self.socket.sendall(encoded(api, version, request))

    def receive(self, api: Api, version: int) -> Any:
        size = int.from_bytes(self.exactly(4), "big")
        return parse_response(api, version, memoryview(self.exactly(size)))[1]

    def exactly(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            chunk = self.socket.recv(size - len(got))
            if not chunk:
                raise ConnectionError("the broker hung up")
            got += chunk
        return bytes(got)


def encoded(api: Api, version: int, request: Any) -> bytes:
    return b"".join(request_parts(api, version, 1, "bench", request))


def find(client: Client) -> None:
    while client.call(FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key="g")).error_code != Err.NONE:
        time.sleep(0.05)


def commit_request(group: str, topic: str, indexes: Sequence[int]) -> bytes:
    make = OFFSET_COMMIT.Request
    partitions = [make.Partition(index=index, committed_offset=7, committed_metadata="") for index in indexes]
    return encoded(OFFSET_COMMIT, 8, make(group_id=group, topics=[make.Topic(name=topic, partitions=partitions)]))


# The four figures


def commits(broker: Broker, seconds: float = 8) -> dict[str, Any]:
    done = [0] * 8
    before, began = cpu_seconds(broker.pid), time.monotonic()

    def work(number: int) -> None:
        client = Client(broker.bootstrap)
        blob = b"".join(commit_request(f"committer-{number}-{n}", "bench", [n % 100]) for n in range(50))
        client.socket.sendall(blob)
        for _ in range(50):
            answer = client.receive(OFFSET_COMMIT, 8)
            assert answer.topics[0].partitions[0].error_code == Err.NONE, answer
        size = sum(map(len, response_parts(OFFSET_COMMIT, 8, 1, answer)))
        while time.monotonic() - began < seconds:
            client.socket.sendall(blob)
            client.exactly(50 * size)
            done[number] += 50

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.monotonic() - began
    return {
        "commits_per_s": round(sum(done) / spent),
        "broker_us_per_commit": round((cpu_seconds(broker.pid) - before) / sum(done) * 1e6, 1),
    }


def connections(broker: Broker, count: int) -> list[Client]:
    return [Client(broker.bootstrap) for _ in range(count)]


def joining(group: str, clients: list[Client]) -> tuple[str, list[Client]]:
    make = JOIN_GROUP.Request
    request = make(
        group_id=group,
        session_timeout_ms=600_000,  # setting up thousands of members takes its time
        rebalance_timeout_ms=300_000,
        protocol_type="consumer",
        protocols=[make.Protocol(name="range", metadata=b"\0\0\0\0\0\1\0\5bench\xff\xff\xff\xff")],
    )
    for client in clients:
        client.send(JOIN_GROUP, JOIN_VERSION, request)
    return group, clients


def settled(groups: Sequence[tuple[str, list[Client]]]) -> Iterator[tuple[Client, str, int]]:
    for group, clients in groups:
        joined = [client.receive(JOIN_GROUP, JOIN_VERSION) for client in clients]
        make = SYNC_GROUP.Request
        given = [make.Assignment(member_id=one.member_id, assignment=b"\0\0\0\0\0\0\xff\xff\xff\xff") for one in joined]
        for client, one in zip(clients, joined, strict=True):
            request = make(
                group_id=group,
                generation_id=one.generation_id,
                member_id=one.member_id,
                assignments=given if one.leader == one.member_id else [],
            )
            client.send(SYNC_GROUP, 3, request)
        for client, one in zip(clients, joined, strict=True):
            assert client.receive(SYNC_GROUP, 3).error_code == Err.NONE
            yield client, one.member_id, one.generation_id


def join(broker: Broker, count: int = 200) -> dict[str, Any]:
    clients = connections(broker, count)
    before, began = cpu_seconds(broker.pid), time.monotonic()
    found = list(settled([joining("crowd", clients)]))
    spent = time.monotonic() - began - 2 * DELAY_MS / 1000  # it waits again after a wait in which somebody came
    assert {generation for _, _, generation in found} == {1}
    return {"join_s": round(spent, 2), "join_broker_cpu_s": round(cpu_seconds(broker.pid) - before, 2)}


def heartbeats(broker: Broker, groups: int = 1000, interval_s: float = 3, rounds: int = 6) -> dict[str, Any]:
    everybody = []
    for start in range(0, groups, 50):
        some = [joining(f"team-{number}", connections(broker, 3)) for number in range(start, start + 50)]
        group_of = [group for group, clients in some for _ in clients]
        everybody += [
            (client, encoded(HEARTBEAT, 3, HEARTBEAT.Request(group_id=group, generation_id=generation, member_id=id_)))
            for group, (client, id_, generation) in zip(group_of, settled(some), strict=True)
        ]
    for client, _ in everybody:
        client.socket.settimeout(30)
    answer = 4 + 4 + 4 + 2
    before, began = cpu_seconds(broker.pid), time.monotonic()
    for number in range(rounds):
        for place, (client, request) in enumerate(everybody):
            client.socket.sendall(request)
            if place % 50 == 0:
                time.sleep(max(0, began + interval_s * (number + place / len(everybody)) - time.monotonic()))
        for client, _ in everybody:
            told = client.exactly(answer)
            assert told[-2:] == b"\0\0", told
    spent = time.monotonic() - began
    percent = 100 * (cpu_seconds(broker.pid) - before) / spent
    return {
        "heartbeats_per_s": round(rounds * len(everybody) / spent),
        "heartbeat_core_percent": round(percent, 1),
    }


def load(broker: Broker, groups: int = 1000) -> dict[str, Any]:
    client = Client(broker.bootstrap)
    for number in range(groups):
        client.socket.sendall(commit_request(f"load-{number}", "bench", range(100)))
        client.receive(OFFSET_COMMIT, 8)
    broker.kill()
    began = time.monotonic()
    broker.start()
    client = Client(broker.bootstrap)
    while client.call(LIST_GROUPS, 4, LIST_GROUPS.Request()).error_code != Err.NONE:
        time.sleep(0.005)
    loaded = time.monotonic()
    make = OFFSET_FETCH.Request
    request = make(groups=[make.Group(group_id=f"load-{number}", topics=None) for number in range(groups)])
    found = client.call(OFFSET_FETCH, 8, request).groups
    offsets = [partition.committed_offset for one in found for topic in one.topics for partition in topic.partitions]
    assert offsets == [7] * (100 * groups)
    loads_ms = [int(text) for text in re.findall(r"records of groups loaded in (\d+) ms", broker.log_tail(200))]
    return {"load_s": max(loads_ms) / 1000, "from_start_to_loaded_s": round(loaded - began, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    figures: dict[str, Any] = {}
    for measure in (join, load, heartbeats, commits):
        settings = {"group.initial.rebalance.delay.ms": str(DELAY_MS), "kq.admin.listener": ""}
        with Broker(settings) as broker:
            broker.create_topic("bench", partitions=100)
            find(Client(broker.bootstrap))
            figures |= measure(broker)
        print(figures, flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"targets": TARGETS, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
