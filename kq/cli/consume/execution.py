"""`--exec CMD`: a command for each record, one at a time and in order.

The shell runs CMD with the record's value on its standard input and what else is known of it in RECORD_TOPIC,
RECORD_PARTITION, RECORD_OFFSET, RECORD_KEY, RECORD_TIMESTAMP_MS, RECORD_ID (topic:partition:offset), and RECORD_NULL=1
for a tombstone. It has dealt with the record when it ends with 0; anything else ends the run before that record.

With `--into DATABASE` what CMD prints is SQL, run in one transaction with the record's id: a record that comes twice
has its effect once (`kq.client.once`, the first pattern; the other two are in the SQL that CMD prints). CMD itself does
not write to that database.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kq.cli.consume.printing import Share, wanted_rows, whole_rows
from kq.cli.consume.sink import Stopped
from kq.cli.formats.rows import Rows
from kq.cli.run.failures import Failure, Usage
from kq.client.once import Database, Seen, record_id

if TYPE_CHECKING:
    from kq.cli.consume.grep import Filter
    from kq.client.fetched import Fetched


@asynccontextmanager
async def open_execution(
    command: str, into: str | None, scope: str, filters: Filter | None
) -> AsyncIterator[Execution]:
    if into is None:
        yield Execution(command, None, scope, filters)
        return
    try:
        database = await asyncio.to_thread(Database, into)
    except ValueError as fault:
        raise Usage(f"--into {fault}") from None
    except Exception as fault:  # whatever the driver says: sqlite3 and psycopg have no class in common
        raise Failure(f"--into {into}: {_one_line(fault)}") from None
    try:
        yield Execution(command, database, scope, filters)
    finally:
        await asyncio.to_thread(database.close)


class Execution:
    def __init__(self, command: str, database: Database | None, scope: str, filters: Filter | None) -> None:
        self._command = command
        self._database = database
        self._seen = None if database is None else Seen(database, scope)
        self._filters = filters

    async def take(self, fetched: Fetched, left: int | None) -> AsyncGenerator[Share, None]:
        rows, share = wanted_rows(whole_rows(fetched), fetched, self._filters, left)
        for place, offset in enumerate(rows.offsets):
            why = await self._deal_with(rows, place)
            if why is not None:
                raise Stopped(f"{rows.topic}:{rows.partition} offset {offset:,}: {why}")
            yield Share(1, offset + 1)
        yield Share(0, share.next_offset)

    async def _deal_with(self, rows: Rows, place: int) -> str | None:
        """What went wrong, if anything."""
        if self._database is None or self._seen is None:
            code, _ = await self._run(rows, place, catch=False)
            return _ending(code)
        known = record_id(rows.topic, rows.partition, rows.offsets[place])
        try:
            with self._database.transaction() as transaction:
                if self._seen.first_time(transaction, known):
                    code, printed = await self._run(rows, place, catch=True)
                    if code:
                        raise _Undone(_ending(code))
                    try:
                        transaction.script(printed.decode("utf-8", "surrogateescape"))
                    except Exception as fault:  # sqlite3's and psycopg's have no class in common
                        raise _Undone(f"the database refused what the command printed: {_one_line(fault)}") from None
        except _Undone as undone:
            return str(undone)
        return None

    async def _run(self, rows: Rows, place: int, *, catch: bool) -> tuple[int, bytes]:
        """How the command ended, and what it printed if that is wanted. The value lies in a file: a pipe would break
        under a command that does not read it."""
        with tempfile.TemporaryFile() as value:
            value.write(rows.values[place] or b"")
            value.seek(0)
            running = await asyncio.create_subprocess_shell(
                self._command,
                stdin=value,
                stdout=asyncio.subprocess.PIPE if catch else None,
                env={**os.environb, **_described(rows, place)},
            )
            try:
                printed, _ = await running.communicate()
            except BaseException:  # Ctrl-C: no command outlives the run
                if running.returncode is None:
                    running.kill()
                    await running.wait()
                raise
        return running.returncode or 0, printed or b""


class _Undone(Exception):
    """Rolls the transaction back."""


def _described(rows: Rows, place: int) -> dict[bytes, bytes]:
    offset, key = rows.offsets[place], rows.keys[place]
    known: dict[bytes, bytes] = {
        b"RECORD_TOPIC": rows.topic.encode(),
        b"RECORD_PARTITION": b"%d" % rows.partition,
        b"RECORD_OFFSET": b"%d" % offset,
        b"RECORD_TIMESTAMP_MS": b"%d" % rows.timestamps[place],
        b"RECORD_ID": record_id(rows.topic, rows.partition, offset).encode(),
    }
    if key is not None and b"\0" not in key:  # no environment holds a zero
        known[b"RECORD_KEY"] = key
    if rows.values[place] is None:
        known[b"RECORD_NULL"] = b"1"
    return known


def _ending(code: int) -> str | None:
    if code == 0:
        return None
    return f"the command ended with {code}" if code > 0 else f"the command was killed by signal {-code}"


def _one_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0].rstrip(".") if str(fault).strip() else type(fault).__name__
