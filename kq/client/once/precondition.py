"""Pattern 3: a precondition, the expected version, guards the update.

Where records say which state they follow ("account 7, after change 41"), a change that is there already does not fit
any more: the version has gone on. And one that comes too early, because another was lost on the way, is not applied
to a state that it does not follow.
"""

from __future__ import annotations

from collections.abc import Mapping

from kq.client.once.database import Transaction, quoted


class VersionMissing(LookupError):
    """The row is not there, or behind the version that a change follows: some change before it has not come."""


def update_if(
    transaction: Transaction,
    table: str,
    key: Mapping[str, object],
    version: int,
    changes: Mapping[str, object],
    *,
    column: str = "version",
) -> bool:
    """Sets `changes` in the row with this `key`, and its version to `version` + 1, if its version is `version`.

    True if it was; False if the version is higher: then this change has been made before. VersionMissing if it is
    lower or there is no such row.
    """
    guard = quoted(column)
    where = " AND ".join(f"{quoted(name)} = ?" for name in key)
    settings = ", ".join(f"{name} = ?" for name in (*map(quoted, changes), guard))
    done = transaction.execute(
        f"UPDATE {quoted(table)} SET {settings} WHERE {where} AND {guard} = ?",
        (*changes.values(), version + 1, *key.values(), version),
    )
    if done.rowcount == 1:
        return True
    found = transaction.execute(f"SELECT {guard} FROM {quoted(table)} WHERE {where}", tuple(key.values())).fetchone()
    named = ", ".join(f"{name} {value}" for name, value in key.items())
    if found is None:
        raise VersionMissing(f"{table} has no row with {named}")
    if found[0] < version:
        raise VersionMissing(f"{table}: {named} is at version {found[0]}; this change follows version {version}")
    return False
