"""An authority, a server's and a client's certificate, made by openssl for one test session."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import need_command

DAYS = "2"
PASSWORD = "key password"


@dataclass(frozen=True)
class Certificates:
    authority: Path  # PEM of who signed the others
    stranger: Path  # PEM of an authority that signed nothing here
    server: Path  # key (PKCS#8) and chain in one file, for 127.0.0.1 and no other name
    client: Path  # the same for a client
    locked_client: Path  # the same, its key encrypted with PASSWORD


def make(room: Path) -> Certificates:
    room.mkdir(parents=True, exist_ok=True)
    for name in ("authority", "stranger"):
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", room / f"{name}.key", "-out", room / f"{name}.pem",
        )  # fmt: skip
    server = _signed(room, "server", "subjectAltName=IP:127.0.0.1")
    client = _signed(room, "client", "extendedKeyUsage=clientAuth")
    locked = room / "locked.pem"
    _openssl("pkcs8", "-topk8", "-in", room / "client.key", "-passout", f"pass:{PASSWORD}", "-out", room / "locked.key")
    locked.write_text((room / "locked.key").read_text() + (room / "client.crt").read_text())
    return Certificates(room / "authority.pem", room / "stranger.pem", server, client, locked)


def _signed(room: Path, name: str, extension: str) -> Path:
    key, request, certificate, extensions = (room / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    extensions.write_text(extension + "\n")
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    _openssl(
        "x509", "-req", "-in", request, "-CA", room / "authority.pem", "-CAkey", room / "authority.key",
        "-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", certificate,
    )  # fmt: skip
    both = room / f"{name}.pem"
    both.write_text(key.read_text() + certificate.read_text() + (room / "authority.pem").read_text())
    return both


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        [need_command("openssl", "openssl"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
