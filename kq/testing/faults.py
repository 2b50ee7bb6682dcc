"""The way to a test broker's fault injections: one JSON line asked, one answered, over a unix socket in its directory.

Only a broker started with `--testing PATH` opens such a socket. Its rules: an injection is used up by the next `times`
requests of that API (and of that topic, when one is named), in the order in which the injections were made.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

TIMEOUT_S = 5.0


def inject(
    path: Path, api: str | int, *, error: str | None, delay_s: float, drop: bool, times: int, topic: str | None
) -> None:
    """Raises ValueError with the broker's own sentence when it refuses."""
    asked = {"api": api, "error": error, "delay_s": delay_s, "drop": drop, "times": times, "topic": topic}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as answers:
            answer = json.loads(answers.readline() or '{"error": "the broker closed the connection"}')
    if refused := answer.get("error"):
        raise ValueError(refused)
