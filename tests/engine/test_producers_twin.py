"""Random stories of producers and transactions, told to the producer window and to a slow twin of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine import producer_snapshot
from kq.engine.producers import ProducerStates
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader
from tests.support.producers import ABORT, MAX, TRANSACTIONAL, batch, marker


@dataclass
class TwinProducer:
    epoch: int
    batches: list[tuple[int, int, int, int]] = field(default_factory=list)  # first, last sequence, first, last offset
    open_at: int | None = None


@dataclass
class Twin:
    """The rules again, with nothing packed and nothing clever."""

    producers: dict[int, TwinProducer] = field(default_factory=dict)
    closed: list[tuple[int, int]] = field(default_factory=list)  # first offset, marker's offset

    def verdict(self, header: BatchHeader) -> Err | tuple[int, int] | None:
        known = self.producers.get(header.producer_id)
        if known is None:
            return None
        first, last = header.base_sequence, (header.base_sequence + header.last_offset_delta) % 2**31
        if header.producer_epoch == known.epoch:
            for old in known.batches[-5:]:
                if old[:2] == (first, last):
                    return old[2], old[3]
        if header.producer_epoch < known.epoch:
            return Err.INVALID_PRODUCER_EPOCH
        if header.producer_epoch > known.epoch:
            if first != 0 and known.epoch != -1:
                return Err.OUT_OF_ORDER_SEQUENCE_NUMBER
        elif known.epoch != -1 and first != ((known.batches[-1][1] + 1) % 2**31 if known.batches else 0):
            return Err.OUT_OF_ORDER_SEQUENCE_NUMBER
        if known.open_at is not None and not header.attributes & TRANSACTIONAL:
            return Err.INVALID_TXN_STATE
        return None

    def of(self, header: BatchHeader) -> TwinProducer:
        known = self.producers.setdefault(header.producer_id, TwinProducer(header.producer_epoch))
        if known.epoch != header.producer_epoch:
            known.epoch, known.batches = header.producer_epoch, []
        return known

    def append(self, header: BatchHeader, offset: int) -> None:
        known = self.of(header)
        last = (header.base_sequence + header.last_offset_delta) % 2**31
        known.batches.append((header.base_sequence, last, offset, offset + header.last_offset_delta))
        if header.attributes & TRANSACTIONAL and known.open_at is None:
            known.open_at = offset

    def mark(self, header: BatchHeader, offset: int) -> tuple[int, int] | None:
        known = self.of(header)
        first, known.open_at = known.open_at, None
        if first is None:
            return None
        self.closed.append((first, offset))
        return first, min((p.open_at for p in self.producers.values() if p.open_at is not None), default=offset + 1)

    def unstable(self) -> int | None:
        opened = [p.open_at for p in self.producers.values() if p.open_at is not None]
        return min(opened + [first for first, _ in self.closed], default=None)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_stories_agree_with_a_slow_twin(seed: int) -> None:
    rng = random.Random(seed)
    states, twin, offset, sent = ProducerStates(), Twin(), 0, [batch(1, 0)]
    for _ in range(120):
        producer_id, step = rng.randint(0, 3), rng.random()
        known = twin.producers.get(producer_id)
        epoch = max(-1, (known.epoch if known else rng.choice([-1, 0, 3])) + rng.choice([0] * 12 + [-1, 1, 5]))
        if step < 0.12:
            header = marker(producer_id, epoch=epoch)
            done, expected = states.update(header, offset, 0, ABORT), twin.mark(header, offset)
            assert (done and (done.first_offset, done.last_stable_offset)) == expected
            offset += 1
        elif step < 0.2:
            high_watermark = rng.randint(0, offset)
            states.acknowledge(high_watermark)
            twin.closed = [(first, at) for first, at in twin.closed if at >= high_watermark]
        elif step < 0.25:
            states = producer_snapshot.decode(producer_snapshot.encode(states))
            twin.closed = []
            for producer in twin.producers.values():
                producer.batches = producer.batches[-1:]
        else:
            last = known.batches[-1][1] if known and known.batches else rng.choice([-1, MAX - 3])
            following = (last + rng.choice([1] * 8 + [0, 2, -3])) % 2**31 if rng.random() < 0.9 else 0
            transactional = TRANSACTIONAL * (
                known.open_at is not None if known and rng.random() < 0.9 else rng.random() < 0.3
            )
            header = batch(producer_id, following, rng.randint(1, 4), epoch=epoch, attributes=transactional)
            if rng.random() < 0.25:
                header = rng.choice(sent[-8:])
            sent.append(header)
            expected_verdict = twin.verdict(header)
            try:
                duplicate = states.check(header)
                verdict: Err | tuple[int, int] | None = duplicate and duplicate[:2]
            except KafkaError as error:
                verdict = error.code
            assert verdict == expected_verdict
            if verdict is None:
                states.update(header, offset, 0)
                twin.append(header, offset)
                offset += header.record_count
        assert states.first_unstable_offset == twin.unstable()
        assert {p: (e.epoch, e.last_sequence) for p, e in states.entries.items()} == {
            p: (t.epoch, t.batches[-1][1] if t.batches else -1) for p, t in twin.producers.items()
        }
