"""The end of a log file, read from its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.cli.broker import log_file

LINES = [b"%d %s" % (number, b"x" * (number % 7)) for number in range(40)]


@pytest.mark.parametrize("last", [b"", b"\n"], ids=["unfinished", "finished"])
@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize("count", [0, 1, 2, 39, 40, 41])
def test_the_last_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    count: int,
    chunk: int,
    last: bytes,
) -> None:
    monkeypatch.setattr(log_file, "CHUNK_BYTES", chunk)
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(LINES) + last)
    log_file.print_log(path, tail=count, follow=False)
    wanted = b"\n".join(LINES[len(LINES) - min(count, len(LINES)) :]) + last
    assert capfdbinary.readouterr().out == (wanted if count else b"")


def test_an_empty_log(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "log").touch()
    log_file.print_log(tmp_path / "log", tail=3, follow=False)
    assert capfdbinary.readouterr().out == b""
