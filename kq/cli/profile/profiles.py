"""Profiles and project files: where they are, how they are read, which one is in use.

    ~/.config/kq/profiles/NAME.toml   one file a profile (XDG_CONFIG_HOME is honoured)
    ~/.config/kq/profile              the name of the one in use
    kq.toml                           of the project: here or in the nearest directory above

Both are flat TOML: `bootstrap`, `read_only`, `production`, in kq.toml also `profile`; every other key is a client
setting under its Kafka name (`security.protocol = "SSL"`). A project file comes with a checkout, so nothing in it may
hold a secret, read a file as one or run a command.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kq.cli.run.failures import Failure, Hint, NotFound, Usage, did_you_mean

PROJECT_FILE = "kq.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

TEMPLATE = """\
# Profile {name} of kq. Client settings go by their Kafka names.
bootstrap = "127.0.0.1:9092"
# read_only = true          # refuse whatever changes the cluster
# production = true         # deleting needs -C {name} in the command
# security.protocol = "SASL_SSL"
# sasl.mechanism = "SCRAM-SHA-512"
# sasl.username = "me"
# sasl.password.command = "pass show kafka"   # or sasl.password.file = "…"
"""


def config_home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kq"


def profile_path(name: str, environ: Mapping[str, str]) -> Path:
    if not _NAME.fullmatch(name):
        raise Usage(f"'{name}' cannot name a profile; write letters, digits, '.', '_' and '-'")
    return config_home(environ) / "profiles" / f"{name}.toml"


def profile_names(environ: Mapping[str, str]) -> list[str]:
    directory = config_home(environ) / "profiles"
    return sorted(path.stem for path in directory.glob("*.toml")) if directory.is_dir() else []


def profile_in_use(environ: Mapping[str, str]) -> str | None:
    try:
        return (config_home(environ) / "profile").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def use_profile(name: str, environ: Mapping[str, str]) -> None:
    if not profile_path(name, environ).exists():
        raise no_profile(name, environ)
    (config_home(environ) / "profile").write_text(name + "\n", encoding="utf-8")


def no_profile(name: str, environ: Mapping[str, str]) -> NotFound:
    known = profile_names(environ)
    return NotFound(
        f"no profile '{name}'{did_you_mean(name, known)}",
        Hint("see", "kq profile list"),
        Hint("make it", f"kq profile edit {name}"),
    )


def read_profile(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    path = profile_path(name, environ)
    if not path.exists():
        raise no_profile(name, environ)
    values = read_flat(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 and (secret := next((key for key in values if is_secret(key)), None)):
        raise Failure(f"{path} holds {secret} and others can read it", Hint("close it", f"chmod 600 {path}"))
    return values


def find_project_file(start: Path) -> Path | None:
    """The nearest kq.toml at `start` or above it."""
    for directory in (start, *start.parents):
        path = directory / PROJECT_FILE
        if path.is_file():
            return path
    return None


def read_project_file(path: Path) -> dict[str, str]:
    values = read_flat(path)
    for key in values:
        if is_secret(key) or is_secret(base_of(key)):
            raise Failure(
                f"{path} sets {key}; a project file must not hold, read or compute secrets",
                Hint("put it in", "kq profile edit NAME"),
            )
    return values


def read_flat(path: Path) -> dict[str, str]:
    import tomllib  # 10 ms, and most runs have no file to read

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as fault:
        raise Failure(f"{path}: not TOML: {fault}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8") from None
    flat: dict[str, str] = {}
    _flatten(document, "", flat, path)
    return flat


def _flatten(table: dict[str, Any], prefix: str, flat: dict[str, str], path: Path) -> None:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            _flatten(value, name + ".", flat, path)
        elif isinstance(value, bool):
            flat[name] = "true" if value else "false"
        elif isinstance(value, list):
            flat[name] = ",".join(map(str, value))
        elif isinstance(value, str | int | float):
            flat[name] = str(value)
        else:
            raise Failure(f"{path}: {name} is neither text, number, true, false nor a list")


def base_of(key: str) -> str:
    """`sasl.password` of `sasl.password.file` and `sasl.password.command`."""
    return key.removesuffix(".file").removesuffix(".command")


def is_secret(key: str) -> bool:
    """Passwords, JAAS lines and key material. Not the ways to get one (`sasl.password.file`)."""
    return key.endswith(".password") or key in SECRETS


SECRETS = frozenset({"sasl.jaas.config", "ssl.keystore.key", "ssl.key.pem", "ssl.keystore.certificate.chain"})


def write_private(path: Path, text: str) -> None:
    """Makes a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
