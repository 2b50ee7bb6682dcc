"""Producer ids: never issued twice, by nobody, after nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from kq.coordination.layout import PRODUCER_ID_BLOCK, BadNode, ProducerIdBlock
from kq.coordination.producer_ids import BLOCK_SIZE, END, FIRST_LOW, ProducerIds
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Create, Op, Set, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = SqliteStore(tmp_path / "metadata.db")
    yield store
    store.close()


def block(store: Store) -> ProducerIdBlock:
    node = store.get(PRODUCER_ID_BLOCK)
    assert node is not None
    return ProducerIdBlock.decode(node.data)


def put(store: Store, first: int, last: int) -> None:
    store.transact([Create(PRODUCER_ID_BLOCK, ProducerIdBlock(0, first, last).encode())])


def test_a_cluster_begins_at_a_random_id_far_from_apache_kafkas(tmp_path: Path):
    firsts = set()
    for seed in range(20):
        store = SqliteStore(tmp_path / f"{seed}.db")
        firsts.add(ProducerIds(store, 1, Random(seed)).next_id())
        store.close()
    assert len(firsts) == 20
    assert all(FIRST_LOW <= first < END // 2 for first in firsts)


def test_ids_count_up_and_a_block_costs_one_write(store: Store):
    ids = ProducerIds(store, 1, Random(1))
    first = ids.next_id()
    assert [ids.next_id() for _ in range(2 * BLOCK_SIZE)] == list(range(first + 1, first + 2 * BLOCK_SIZE + 1))
    node = store.get(PRODUCER_ID_BLOCK)
    assert node is not None
    assert node.version == 2
    assert block(store) == ProducerIdBlock(1, first + 2 * BLOCK_SIZE, first + 3 * BLOCK_SIZE - 1)


def test_a_block_is_in_the_store_before_its_first_id_is_out(store: Store):
    issued = ProducerIds(store, 1, Random(1)).next_id()
    assert block(store).first == issued
    assert block(store).last == issued + BLOCK_SIZE - 1


def test_brokers_and_restarts_share_nothing(store: Store):
    seen: set[int] = set()
    for node_id in (1, 2, 1):
        ids = ProducerIds(store, node_id, Random(node_id))
        other = ProducerIds(store, 9, Random(9))
        issued = [each.next_id() for _ in range(BLOCK_SIZE + 5) for each in (ids, other)]
        assert len(set(issued)) == len(issued)
        assert seen.isdisjoint(issued)
        seen.update(issued)


class Rival:
    """A store in which another broker takes a block between the read and the write, three times."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.left = 3

    def get(self, path: str):
        return self.store.get(path)

    def transact(self, ops: Sequence[Op]) -> None:
        if self.left:
            self.left -= 1
            ProducerIds(self.store, 2, Random(self.left)).next_id()
        self.store.transact(ops)


@pytest.mark.parametrize("begun", [False, True])
def test_who_loses_the_race_for_a_block_takes_the_next(store: Store, begun: bool):
    if begun:
        put(store, 2**50, 2**50 + 999)
    issued = ProducerIds(Rival(store), 1, Random(1)).next_id()  # type: ignore[arg-type]
    assert block(store).first == issued
    assert block(store).broker == 1
    node = store.get(PRODUCER_ID_BLOCK)
    assert node is not None
    assert node.version == 3 + begun


def test_processes_that_are_killed_between_allocation_and_use(tmp_path: Path):
    program = f"""
from random import Random
from kq.coordination.sqlite import SqliteStore
from kq.coordination.producer_ids import ProducerIds
ids = ProducerIds(SqliteStore({str(tmp_path / "metadata.db")!r}), 1, Random())
while True:
    print(ids.next_id(), flush=True)
"""
    seen: set[int] = set()
    for kill_after in (1, 2, 500, 1000, 1001, 1500):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            issued = [int(child.stdout.readline()) for _ in range(kill_after)]
            child.kill()
            # A number that the kill cut in two would be another number.
            issued += [int(line) for line in child.stdout if line.endswith("\n")]
        assert len(set(issued)) == len(issued)
        assert seen.isdisjoint(issued)
        seen.update(issued)


def test_raised_above_what_a_log_holds(store: Store):
    ids = ProducerIds(store, 1, Random(1))
    first = ids.next_id()
    ids.raise_above(first + 10)  # within the block in hand
    assert ids.next_id() == first + 11
    assert block(store).first == first
    ids.raise_above(first + BLOCK_SIZE - 1)  # its last one
    assert ids.next_id() == first + BLOCK_SIZE
    ids.raise_above(first + 10**9)
    assert ids.next_id() == first + 10**9 + 1
    assert ProducerIds(store, 2, Random(2)).next_id() == first + 10**9 + 1 + BLOCK_SIZE
    ids.raise_above(5)
    ids.raise_above(-1)
    assert ids.next_id() == first + 10**9 + 2


def test_raising_before_the_first_id_writes_only_what_is_needed(store: Store):
    ids = ProducerIds(store, 1, Random(1))
    ids.raise_above(7)  # a copied Apache Kafka directory
    assert block(store).first >= FIRST_LOW
    again = ProducerIds(store, 1, Random(1))
    again.raise_above(7)
    again.raise_above(block(store).last)
    node = store.get(PRODUCER_ID_BLOCK)
    assert node is not None
    assert node.version == 0
    assert again.next_id() == block(store).first


def test_a_log_from_a_cluster_that_was_further_on(store: Store):
    put(store, 2**50, 2**50 + 999)
    ids = ProducerIds(store, 1, Random(1))
    ids.raise_above(2**55)
    assert ids.next_id() == 2**55 + 1


@pytest.mark.parametrize("hostile", [END, 2**63 - 1, 2**63 - 2])
def test_an_id_that_no_cluster_issues_does_not_use_up_the_rest(store: Store, hostile: int):
    ids = ProducerIds(store, 1, Random(1))
    first = ids.next_id()
    ids.raise_above(hostile)
    assert ids.next_id() == first + 1


@pytest.mark.parametrize("highest", [END - 1, END - BLOCK_SIZE, END - BLOCK_SIZE + 1])
def test_at_the_end_it_begins_anew(store: Store, highest: int):
    ids = ProducerIds(store, 1, Random(1))
    ids.raise_above(highest)
    issued = ids.next_id()
    assert FIRST_LOW <= issued < END // 2
    put_last = block(store)
    assert put_last.first <= issued <= put_last.last < END


def test_a_node_that_holds_something_else_is_not_overwritten(store: Store):
    store.transact([Create(PRODUCER_ID_BLOCK, b"{}")])
    with pytest.raises(BadNode):
        ProducerIds(store, 1, Random(1)).next_id()
    assert store.get(PRODUCER_ID_BLOCK) == (b"{}", 0)
    store.transact([Set(PRODUCER_ID_BLOCK, ProducerIdBlock(1, 2**45, 2**45 + 999).encode())])
    assert ProducerIds(store, 1, Random(1)).next_id() == 2**45 + 1000
