"""Producer ids that are never issued twice.

A broker takes a block of 1000 ids from the store by compare-and-set and then hands them out of memory. The node in the
store holds the last block anybody took, so whoever dies loses the rest of a block and nothing else. (Two producers with
one id would be silent loss: the second's records are taken for duplicates of the first's, SEMANTICS rule 9.)

Each cluster begins at a random id from 2^40 up, so that logs of two clusters do not meet when a directory is copied;
and `raise_above` lifts the counter over every id found in a log. Ids from 2^62 up are never given out and do not
count: a client may write any id into a batch, and the largest one must not use up the rest. Where a counter reaches
that end, it begins anew at a random id.
"""

from __future__ import annotations

from random import Random

from kq.coordination.layout import PRODUCER_ID_BLOCK, ProducerIdBlock
from kq.coordination.store import Conflict, Create, Op, Set, Store

BLOCK_SIZE = 1000
FIRST_LOW, FIRST_HIGH = 1 << 40, 1 << 61
END = 1 << 62


class ProducerIds:
    """Hands out ids; to be used by one thread. A call may wait for a commit of the store."""

    def __init__(self, store: Store, node_id: int, random: Random) -> None:
        self._store = store
        self._node_id = node_id
        self._random = random
        self._next = 0
        self._left = 0

    def next_id(self) -> int:
        """An id that nobody was given before, on any broker of the cluster. Unavailable when the store is."""
        if self._left == 0:
            self._next = self._reserve(0)
            self._left = BLOCK_SIZE
        issued = self._next
        self._next += 1
        self._left -= 1
        return issued

    def raise_above(self, highest_id: int) -> None:
        """Never hands out an id up to this one any more."""
        if highest_id >= END or highest_id < self._next:
            return
        if self._left and highest_id < self._next + self._left:
            self._left -= highest_id + 1 - self._next
            self._next = highest_id + 1
            return
        self._left = 0
        block = self._last_block()[0]
        if block is None or block.last < highest_id:
            self._next = self._reserve(highest_id + 1)
            self._left = BLOCK_SIZE

    def _last_block(self) -> tuple[ProducerIdBlock | None, int]:
        node = self._store.get(PRODUCER_ID_BLOCK)
        return (ProducerIdBlock.decode(node.data), node.version) if node else (None, -1)

    def _reserve(self, at_least: int) -> int:
        """Takes the next block that begins at or above an id; its first id. Tries again while others are faster."""
        while True:
            block, version = self._last_block()
            first = max(at_least, block.last + 1 if block else self._anywhere())
            if first + BLOCK_SIZE > END:
                first = self._anywhere()
            data = ProducerIdBlock(self._node_id, first, first + BLOCK_SIZE - 1).encode()
            op: Op = Set(PRODUCER_ID_BLOCK, data, version) if block else Create(PRODUCER_ID_BLOCK, data)
            try:
                self._store.transact([op])
            except Conflict:
                continue
            return first

    def _anywhere(self) -> int:
        return self._random.randrange(FIRST_LOW, FIRST_HIGH)
