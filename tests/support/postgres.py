"""A PostgreSQL server for the tests of one session, from Debian's package: on a socket of its own, in a directory of
its own, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.missing import give_up


@contextmanager
def postgres() -> Iterator[str]:
    """Its URL."""
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(tools[-1]) if tools else shutil.which("initdb")
    if initdb is None:
        give_up("initdb of PostgreSQL", "apt-get install postgresql")
    control = str(Path(initdb).parent / "pg_ctl")
    room = Path(tempfile.mkdtemp(prefix="kq-postgres-"))
    try:
        user = _owner(room)
        data = room / "data"
        _run(user, initdb, "-D", str(data), "-A", "trust", "-U", "kq", "-N")
        # No port: a socket in the room, which nobody else can have taken.
        settings = f"-c listen_addresses='' -c unix_socket_directories={room} -c fsync=off"
        _run(user, control, "-D", str(data), "-w", "-l", str(room / "log"), "-o", settings, "start")
        try:
            yield f"postgresql://kq@/postgres?host={room}"
        finally:
            _run(user, control, "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _owner(room: Path) -> str | None:
    """Who runs the server: it refuses root."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    os.chown(room, account.pw_uid, account.pw_gid)
    return account.pw_name


def _run(user: str | None, *command: str) -> None:
    prefix = () if user is None else ("runuser", "-u", user, "--")
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)
