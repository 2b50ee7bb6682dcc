"""Three ways to deal with a record that comes twice, over a database that the user already has.

A group gives each record to some member at least once: after a crash between the effect of a record and the commit of
its offset, it comes again. Where the effect is a change in a database, the database can tell that it was there already.

1. `Seen`: the record's id is stored, and looked up, in the transaction of the effect. For any effect.
2. `insert_once`: a unique constraint makes the insert idempotent. Where the effect is a new row.
3. `update_if`: a precondition, the expected version, guards the update. Where records say which state they follow.

    database = Database("bank.db")                          # or postgresql://user@host/name
    seen = Seen(database)
    async with GroupConsumer(cluster, "bank", ["payments"]) as consumer:
        while True:
            for fetched in await consumer.fetch():
                with database.transaction() as transaction:              # one for many records: quicker, as safe
                    for record in fetched.records():
                        if seen.first_time(transaction, record_id("payments", fetched.partition, record.offset)):
                            pay(transaction, record)
            await consumer.commit()                         # may be lost: what comes again has been seen

The transaction is what counts: id, row or version must change in the one that has the effect. An effect elsewhere (a
mail, a call over HTTP) is not part of it; no pattern makes that exactly once.
"""

from __future__ import annotations

from kq.client.once.database import Database, Transaction
from kq.client.once.precondition import VersionMissing, update_if
from kq.client.once.seen import Seen, record_id
from kq.client.once.unique import insert_once

__all__ = ["Database", "Seen", "Transaction", "VersionMissing", "insert_once", "record_id", "update_if"]
