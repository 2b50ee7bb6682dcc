"""Stories of groups that are not left in peace (endurance/*.txt): rolling restarts, members and brokers that are
killed, in the middle of a rebalance too.

Whatever happens, every record is seen by somebody, everything is committed in the end, and no partition has two owners
at a time (members of librdkafka, who say when they had which) or in a generation (those of kq, who know it).

    join a b      processes that become members             write 20      so many records into each partition
    leave a       SIGTERM: it closes and leaves             settle        everybody alive shares all partitions
    kill a        SIGKILL                                   read          all that was written has been seen
    restart a     leaves and comes back                     after 50ms    time passes
    kill broker, restart broker                             #             a remark
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import Producer

from kq.testing import Broker
from tests.cli.members import committed
from tests.client.group import member_process
from tests.client.group.members import Ownership
from tests.interop.endurance import member as member_of_librdkafka
from tests.support import topics
from tests.support.patience import until
from tests.support.rdkafka import client

STORIES = Path(__file__).with_name("endurance")
PARTITIONS = 6
PATIENCE_S = 60
SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Members of the consumer protocol do as the broker says.
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "4000",
}
KINDS = {
    "eager": ["eager"],
    "cooperative": ["cooperative"],
    "consumer": ["consumer"],
    "kq beside librdkafka": ["kq", "cooperative"],
}


class Member:
    """One process, and what it has written into its file."""

    def __init__(self, room: Path, kind: str, bootstrap: str, topic: str) -> None:
        self.kind = kind
        self.output = room / f"member-{len(list(room.iterdir()))}"
        program = member_process if kind == "kq" else member_of_librdkafka
        words = [str(program.__file__), bootstrap, topic, topic, "cooperative-sticky" if kind == "kq" else kind]
        with self.output.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, *words], stdout=file)
        self.ended_ns: int | None = None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.ended_ns = time.monotonic_ns()

    def leave(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0, f"it ended with {self.process.returncode}"
        self.ended_ns = time.monotonic_ns()

    @property
    def lines(self) -> list[list[str]]:
        """Whole ones: a process that is killed may leave half of one."""
        return [line.split() for line in self.output.read_text().split("\n")[:-1] if line]

    @property
    def values(self) -> set[str]:
        return {words[0] for words in self.lines if words[0] not in "+-="}

    def generations(self) -> Iterator[tuple[int, str, list[int]]]:
        for words in self.lines:
            if words[0] == "=":
                yield int(words[1]), words[2], [int(one) for one in words[3:]]

    def times(self) -> Iterator[tuple[int, int, int | None]]:
        """(partition, had from, until); None: it has it still."""
        since: dict[int, int] = {}
        for words in self.lines:
            for partition in map(int, words[2:]) if words[0] in "+-" else ():
                if words[0] == "+":
                    since[partition] = int(words[1])
                elif partition in since:
                    yield partition, since.pop(partition), int(words[1])
        yield from ((partition, from_ns, self.ended_ns) for partition, from_ns in since.items())

    @property
    def has(self) -> list[int]:
        if self.kind == "kq":
            return [*self.generations()][-1][2] if [*self.generations()] else []
        return [partition for partition, _, until_ns in self.times() if until_ns is None]


class Story:
    def __init__(self, broker: Broker, room: Path, topic: str, kinds: list[str]) -> None:
        self.broker, self.room, self.topic, self.kinds = broker, room, topic, kinds
        self.alive: dict[str, Member] = {}
        self.all: list[Member] = []
        self.written = 0
        self.producer = Producer(client(broker.bootstrap, enable_idempotence=True))

    def tell(self, script: str) -> None:
        for line in script.splitlines():
            if line and not line.startswith("#"):
                verb, *words = line.split()
                getattr(self, verb)(*words)

    def join(self, *names: str) -> None:
        for name in names:
            kind = self.kinds[len(self.all) % len(self.kinds)]
            self.alive[name] = Member(self.room, kind, self.broker.bootstrap, self.topic)
            self.all.append(self.alive[name])

    def leave(self, *names: str) -> None:
        for name in names:
            self.alive.pop(name).leave()

    def kill(self, *names: str) -> None:
        for name in names:
            if name == "broker":
                self.broker.kill()
                self.broker.start()
            else:
                self.alive.pop(name).kill()

    def restart(self, name: str) -> None:
        if name == "broker":
            self.broker.restart()
        else:
            self.leave(name)
            self.join(name)

    def after(self, amount: str) -> None:
        time.sleep(int(amount.removesuffix("ms")) / 1000)

    def write(self, count: str) -> None:
        for partition in range(PARTITIONS):
            for number in range(self.written, self.written + int(count)):
                self.producer.produce(self.topic, f"{partition}/{number}", partition=partition)
        assert self.producer.flush(PATIENCE_S) == 0
        self.written += int(count)

    def settle(self) -> None:
        def settled() -> bool:
            assert all(one.process.poll() is None for one in self.alive.values())
            shares = [one.has for one in self.alive.values()]
            return all(shares) and sorted(one for share in shares for one in share) == [*range(PARTITIONS)]

        until(settled, f"{' '.join(self.alive)} share {PARTITIONS} partitions", PATIENCE_S)

    def read(self) -> None:
        wanted = {f"{partition}/{number}" for partition in range(PARTITIONS) for number in range(self.written)}
        until(lambda: set().union(*(one.values for one in self.all)) == wanted, "everything is seen", PATIENCE_S)

    def end(self) -> None:
        for one in self.all:
            if one.ended_ns is None:
                one.kill()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(SETTINGS) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", sorted(STORIES.glob("*.txt")), ids=lambda path: path.stem)
def test_nothing_is_missed_and_no_partition_has_two_owners(
    broker: Broker, tmp_path: Path, name: str, path: Path, kind: str
) -> None:
    topics.create(broker.bootstrap, name, PARTITIONS)
    story = Story(broker, tmp_path, name, KINDS[kind])
    try:
        story.tell(path.read_text())
        story.leave(*story.alive)
    finally:
        story.end()
    assert committed(broker.bootstrap, name, name, PARTITIONS) == dict.fromkeys(range(PARTITIONS), story.written)
    one_owner_a_time([one for one in story.all if one.kind != "kq"])
    one_owner_a_generation([one for one in story.all if one.kind == "kq"], name)


def one_owner_a_time(members: list[Member]) -> None:
    had = sorted((*time_, number) for number, one in enumerate(members) for time_ in one.times())
    assert len(had) >= PARTITIONS
    for (partition, _, until_ns, before), (following, from_ns, _, after) in pairwise(had):
        if partition == following:
            assert until_ns is not None
            assert until_ns <= from_ns, (
                f"partition {partition}: {after} had it {(until_ns - from_ns) / 1e6:.1f} ms before {before} gave it up"
            )


def one_owner_a_generation(members: list[Member], topic: str) -> None:
    ownership = Ownership()
    for one in members:
        for generation, who, partitions in one.generations():
            ownership.note(generation, who, [(topic, partition) for partition in partitions])
