"""The producer's settings that have flags of their own."""

from __future__ import annotations

from kq.cli.run.failures import Usage
from kq.cli.tree.flags import ACKS, CODECS


def producer_settings(compression: str | None, acks: str | None) -> dict[str, str]:
    """`-z` and `--acks` under their Kafka names, as far as they were given."""
    if compression is not None and compression not in CODECS:
        raise Usage(f"-z {compression}: write {', '.join(CODECS[:-1])} or {CODECS[-1]}")
    if acks is not None and acks not in (*ACKS, "-1"):
        raise Usage(f"--acks {acks}: write 0, 1 or all")
    given = {"acks": acks, "compression.type": compression}
    return {name: value for name, value in given.items() if value is not None}
