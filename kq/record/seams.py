"""Records without key and headers, of any sizes: what lies between two values is found by its looks, then proved.

A seam is the end of one record and the numbers that begin the next: no headers (a zero), length, attributes (a zero),
two deltas, no key (the varint of -1), the length of the value. One regular expression cuts the batch at all that looks
so. Bytes of a value may look so too; therefore every value must be as long as its seam says. Then each seam begins
where the value before it ends, from the first to the last, which is how a reader that goes record by record finds them.
"""

from __future__ import annotations

import re
from functools import cache

from kq.record import varint


def cut(section: bytes, pos: int) -> list[bytes]:
    """The values of all records from `pos` on, which is not the first. None of them when one record is of another
    kind or when a value holds what looks like a seam; the records' own lengths are not looked at."""
    seam = _seam()
    if section[-1] != 0 or seam.match(section, pos - 1) is None:
        return []
    _, *parts = seam.split(section[pos - 1 : -1])
    lengths, values = parts[::2], parts[1::2]
    fits = lengths == list(map(varint.WRITTEN.__getitem__, map(len, values)))
    return values if fits else []


@cache
def _seam() -> re.Pattern[bytes]:
    number = rb"[\x80-\xff]*[\0-\x7f]"
    return re.compile(rb"\0%b\0%b%b\x01(%b)" % (number, number, number, number))
