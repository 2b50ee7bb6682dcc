"""Requests written by hand on a plain socket, for what no client shows: the producer id the broker gave."""

from __future__ import annotations

import socket
import struct

INIT_PRODUCER_ID = 22


def producer_id(bootstrap: str) -> int:
    """A fresh producer id (InitProducerId version 0, no transactional id)."""
    host, port = bootstrap.rsplit(":", 1)
    head = struct.pack(">hhih", INIT_PRODUCER_ID, 0, 7, -1)  # key, version, correlation id, no client id
    body = struct.pack(">hi", -1, 60_000)  # no transactional id, its timeout
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size = struct.unpack(">i", _exactly(connection, 4))[0]
        answer = _exactly(connection, size)
    correlation, _, error, given, epoch = struct.unpack(">iihqh", answer)
    assert (correlation, error, epoch) == (7, 0, 0)
    return int(given)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        chunk = connection.recv(size - len(got))
        assert chunk, "the broker closed the connection"
        got += chunk
    return got
