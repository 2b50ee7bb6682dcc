"""Binary values by a pack string, as in kcat and kcl: `<` `>` switch the byte order, b B h H i I q Q are integers of
1, 2, 4 and 8 bytes, c one character, s the rest as text, x a space in the output that reads nothing, `$` the end.

The words `int8` to `int64`, `uint8` to `uint64`, `float`, `double` (big-endian) and `string` name the common ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from kq.cli.output.units import counted

Unpacked = list[int | float | str]

WORDS = {
    "int8": ">b$", "uint8": ">B$", "int16": ">h$", "uint16": ">H$", "int32": ">i$", "uint32": ">I$", "int64": ">q$",
    "uint64": ">Q$", "float": ">f$", "double": ">d$", "string": "s",
}  # fmt: skip
_LETTERS = frozenset("<>bBhHiIqQfdcs.x$")


class NotPacked(ValueError):
    """The bytes are not what the pack string says."""


def unpacker(packing: str) -> Callable[[bytes], Unpacked]:
    """Raises ValueError, a sentence, when the pack string is not one."""
    unknown = next((letter for letter in packing if letter not in _LETTERS), None)
    if unknown or not packing:
        raise ValueError(f"'{packing}' is not a pack string: {'it is empty' if not packing else f'no {unknown} in it'}")

    def unpack(data: bytes) -> Unpacked:
        fields: Unpacked = []
        order = ">"
        pos = 0
        for letter in packing:
            if letter in "<>":
                order = letter
            elif letter == "s":
                fields.append(data[pos:].decode("utf-8", "backslashreplace"))
                pos = len(data)
            elif letter == "$":
                if pos != len(data):
                    raise NotPacked(f"{counted(len(data) - pos, 'byte')} too many for '{packing}'")
            elif letter != "x":
                pos = _one(order, letter, data, pos, fields, packing)
        return fields

    return unpack


def _one(order: str, letter: str, data: bytes, pos: int, fields: Unpacked, packing: str) -> int:
    kind = "c" if letter == "." else letter
    size = struct.calcsize(order + kind)
    if pos + size > len(data):
        raise NotPacked(f"too few for '{packing}': {counted(len(data), 'byte')}")
    value = struct.unpack_from(order + kind, data, pos)[0]
    fields.append(value.decode("latin-1") if isinstance(value, bytes) else value)
    return pos + size
