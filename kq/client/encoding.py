"""A filled batch to the bytes that travel, by the fastest way its columns allow."""

from __future__ import annotations

from typing import cast

from kq.client.batching import Batch
from kq.record.batch import Headers
from kq.record.packing import ANYONE, Producer, pack_columns, pack_keyed, pack_values

__all__ = ["encode"]


def encode(batch: Batch, codec: int, level: int | None) -> bytearray:
    producer = ANYONE
    if batch.numbers is not None:
        producer = Producer(batch.numbers.producer_id, batch.numbers.epoch, batch.numbers.sequence)
    times = batch.timestamps
    if batch.headers is None and isinstance(times, int) and None not in batch.values:
        values = cast(list[bytes], batch.values)
        if batch.keys is None:
            return pack_values(values, times, codec=codec, level=level, producer=producer)
        if None not in batch.keys:
            keys = cast(list[bytes], batch.keys)
            return pack_keyed(keys, values, times, codec=codec, level=level, producer=producer)
    if isinstance(times, int):
        times = [times] * batch.records
    headers = cast("list[Headers] | None", batch.headers)  # any sequence does as well as a tuple
    return pack_columns(batch.keys, batch.values, headers, times, codec=codec, level=level, producer=producer)
