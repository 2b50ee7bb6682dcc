"""The hash that puts a key on its partition, as Java's producer computes it (`Utils.murmur2`, seed 0x9747b28c).

Records with one key must meet in one partition, whoever writes them: kq, Java, librdkafka with `murmur2_random`,
kafka-python.
"""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned number of 32 bits (Java shows the same bits signed)."""
    length = len(data)
    whole = length >> 2
    hashed = _SEED ^ length
    for word in struct.unpack_from(f"<{whole}I", data):
        word = word * _M & _MASK
        hashed = (hashed * _M ^ (word ^ word >> 24) * _M) & _MASK
    if length & 3:
        hashed = (hashed ^ int.from_bytes(data[whole << 2 :], "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return hashed ^ hashed >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """Where Java's producer sends a record with this key, in a topic of so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
