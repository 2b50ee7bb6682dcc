"""Pattern 1: the record's id is stored, and looked up, in the transaction of the effect.

Whichever of two transactions with one id commits first wins; the other one finds it, or waits and then finds it. For
any effect that the database holds; costs a row a record, until `forget`.
"""

from __future__ import annotations

import time

from kq.client.once.database import Database, Transaction, quoted


def record_id(topic: str, partition: int, offset: int) -> str:
    """Names one record of one topic for as long as the topic lives. A topic that is deleted and made anew counts from
    0 again: an id of the record's own (an order number, a header) is better where there is one."""
    return f"{topic}:{partition}:{offset}"


class Seen:
    """The ids in one table, which is made if it is not there. `scope` keeps apart what has effects of its own: the
    group, as a rule."""

    def __init__(self, database: Database, scope: str = "", table: str = "kq_seen") -> None:
        self._table = quoted(table)
        self._scope = scope
        with database.transaction() as transaction:
            transaction.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} (scope TEXT NOT NULL, record_id TEXT NOT NULL, "
                "seen_at BIGINT NOT NULL, PRIMARY KEY (scope, record_id))"
            )

    def first_time(self, transaction: Transaction, record_id: str) -> bool:
        """Whether the effect is still to be had. True only once for an id whose transaction commits."""
        stored = transaction.execute(
            f"INSERT INTO {self._table} (scope, record_id, seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (self._scope, record_id, int(time.time())),
        )
        return stored.rowcount == 1

    def forget(self, transaction: Transaction, older_than_s: int) -> int:
        """Drops ids that were seen so long ago, and says how many. Longer than the topic's retention is safe: then the
        record itself is gone."""
        return transaction.execute(
            f"DELETE FROM {self._table} WHERE scope = ? AND seen_at < ?", (self._scope, int(time.time()) - older_than_s)
        ).rowcount
