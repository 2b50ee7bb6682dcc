"""Pattern 2: a unique constraint makes the insert idempotent.

Where the effect of a record is a row of its own (an entry in a ledger, an order), the row names the record: by topic,
partition and offset, or by a key of the business. Totals are sums over rows. No table beside the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kq.client.once.database import Transaction, quoted


def insert_once(transaction: Transaction, table: str, row: Mapping[str, object], unique: Sequence[str]) -> bool:
    """Inserts the row unless one with the same `unique` columns is there; whether it was inserted. The table must have
    a primary key or unique constraint on just these columns: the database refuses the statement otherwise."""
    columns = ", ".join(map(quoted, row))
    marks = ", ".join("?" * len(row))
    stored = transaction.execute(
        f"INSERT INTO {quoted(table)} ({columns}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(map(quoted, unique))}) DO NOTHING",
        tuple(row.values()),
    )
    return stored.rowcount == 1
