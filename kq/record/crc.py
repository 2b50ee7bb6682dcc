"""CRC-32C (Castagnoli), the checksum of record batches and producer snapshots.

The `crc32c` package computes it at memory speed with the processor's own instruction. Where there is no wheel of it,
`crcmod` gives the same numbers, thirty times slower; the tests hold one against the other.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import PathFinder
from typing import Protocol, cast

Readable = bytes | bytearray | memoryview


class Crc(Protocol):
    """The CRC-32C of `data`, continuing from `value`, the CRC of what came before."""

    def __call__(self, data: Readable, value: int = 0, /) -> int: ...


def _hardware() -> Crc:
    """The function of `crc32c`, from its extension module alone: the package around it reads its own version through
    `importlib.metadata`, which is 37 ms of the start of every command."""
    package = importlib.util.find_spec("crc32c")
    if package is None:
        raise ImportError("crc32c is not installed")
    spec = PathFinder.find_spec("crc32c._crc32c", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ImportError("crc32c has no extension module for this Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Crc, module.crc32c)


def _software() -> Crc:
    from crcmod.predefined import mkCrcFun  # type: ignore[import-untyped]

    return cast(Crc, mkCrcFun("crc-32c"))


def _best() -> Crc:
    try:
        return _hardware()
    except ImportError:
        return _software()


crc32c = _best()
