"""Which cluster and how: flags > KQ_* > kq.toml of the project > profile > defaults.

`resolve` is pure but for reading the two files: what is asked of the environment and the directory is passed in.
Secrets are never taken from flags; where one is to be read from a file or a command, that happens when a connection
is made.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kq.cli.profile import profiles
from kq.cli.run.failures import Failure, Hint, Usage, os_reason, require_utf8

BOOTSTRAP = "bootstrap.servers"
DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
DEFAULT_PORT = 9092
MAX_PORT = 65_535
OWN_KEYS = {"bootstrap": BOOTSTRAP, "read_only": "read_only", "production": "production", "profile": "profile"}
SWITCHES = ("read_only", "production")
ON, OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value, and where it came from. `way` is how a secret is had: "value", "file" or "command"."""

    value: str
    source: str
    way: str = "value"
    layer: str = ""


def is_on(value: str) -> bool:
    """Of a switch: `read_only = true`, KQ_READ_ONLY=1."""
    return value.lower() in ON


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything in force, by name; what a lower layer also said is not kept."""

    values: Mapping[str, Sourced]
    profile: str | None
    profile_was_named: bool  # by -C or KQ_PROFILE, not by `kq profile use` or kq.toml

    @property
    def bootstrap(self) -> str:
        return self.values[BOOTSTRAP].value

    @property
    def read_only(self) -> bool:
        return self._is_on("read_only")

    @property
    def production(self) -> bool:
        return self._is_on("production")

    def _is_on(self, switch: str) -> bool:
        sourced = self.values.get(switch)
        return sourced is not None and is_on(sourced.value)

    def client(
        self, overrides: Mapping[str, str] | None = None, defaults: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """What `kq.client.connect` takes, secrets included. `overrides` are a command's own flags (`--acks`, `-z`),
        which yield to -X alone; `defaults` are the command's and yield to whatever was said anywhere."""
        self._refuse_to_leak()
        config = dict(defaults or {})
        config |= {name: _obtain(name, had) for name, had in self.values.items() if name not in SWITCHES}
        for name, value in (overrides or {}).items():
            if name not in self.values or self.values[name].layer != "flag":
                config[name] = value
        return config

    def _refuse_to_leak(self) -> None:
        """A kq.toml that came with a checkout must not have a profile's password sent to a broker of its choice."""
        where = self.values[BOOTSTRAP]
        if where.layer != "project":
            return
        for name, sourced in self.values.items():
            if sourced.layer == "profile" and profiles.is_secret(name):
                raise Failure(
                    f"{where.source} would send {name} of {sourced.source} to {where.value}",
                    Hint("if you want that", f"name the brokers yourself: -b {where.value}"),
                    Hint("or set", f"bootstrap in the profile: kq profile edit {self.profile}"),
                )


def resolve(
    *,
    bootstrap: Sequence[str],
    profile: str | None,
    client_settings: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
) -> Settings:
    """Merges the layers; the first that has a key wins."""
    layers: list[tuple[str, dict[str, tuple[str, str]]]] = [
        ("flag", _from_flags(bootstrap, client_settings)),
        ("environment", _from_environment(environ)),
    ]
    project = profiles.find_project_file(directory)
    project_values = profiles.read_project_file(project) if project else {}
    if project:
        layers.append(("project", {key: (value, str(project)) for key, value in project_values.items()}))
    named = profile or environ.get("KQ_PROFILE") or None
    name = named or project_values.get("profile") or profiles.profile_in_use(environ)
    if name:
        values = profiles.read_profile(name, environ)
        layers.append(("profile", {key: (value, f"profile {name}") for key, value in values.items()}))
    layers.append(("default", {"bootstrap": (DEFAULT_BOOTSTRAP, "default")}))

    merged: dict[str, Sourced] = {}
    for layer, entries in layers:
        _merge(merged, layer, entries)
    return Settings(merged, name, named is not None)


def _merge(merged: dict[str, Sourced], layer: str, entries: dict[str, tuple[str, str]]) -> None:
    from kq.client.settings import ALIASES

    for written, (value, source) in entries.items():
        if written == "profile":
            continue
        base = profiles.base_of(written)
        way = "value" if base == written or not profiles.is_secret(base) else written.removeprefix(base + ".")
        key = written if way == "value" else base
        key = OWN_KEYS.get(key) or ALIASES.get(key, key)
        if key == BOOTSTRAP:
            value = with_ports(value)
        if key in SWITCHES and value.lower() not in (*ON, *OFF):  # KQ_READ_ONLY=ja must not mean no
            raise Usage(f"{source}: {key} is true or false, not '{value}'")
        known = merged.get(key)
        if known is None:
            merged[key] = Sourced(value, source, way, layer)
        elif known.layer == layer:
            raise Usage(f"{source} gives {key} twice")


def _from_flags(bootstrap: Sequence[str], client_settings: Sequence[str]) -> dict[str, tuple[str, str]]:
    values: dict[str, tuple[str, str]] = {}
    if bootstrap:
        values["bootstrap"] = (require_utf8(",".join(bootstrap), "-b"), "-b")
    for setting in client_settings:
        key, equals, value = require_utf8(setting, "-X").partition("=")
        if not equals or not key:
            raise Usage(f"-X {setting}: write -X key=value, as in -X linger.ms=20")
        if profiles.is_secret(key):
            raise Usage(
                f"-X {key}: secrets do not go in flags, where every user of this machine sees them",
                Hint("set", f"{env_name(key)} in the environment"),
                Hint("or", f"-X {key}.file=FILE"),
                Hint("or", f"-X {key}.command='pass show kafka'"),
            )
        if key in ("bootstrap", BOOTSTRAP):
            if bootstrap:
                raise Usage(f"-X {key} and -b both name the brokers; give one")
            key = "bootstrap"
        values[key] = (value, "-X")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """KQ_BOOTSTRAP, KQ_READ_ONLY, KQ_PRODUCTION, and KQ_SASL_PASSWORD and the like for every client setting."""
    mine = {name: value for name, value in environ.items() if name.startswith("KQ_") and value}
    if not mine:
        return {}
    from kq.client.settings import SETTINGS

    known = {env_name(key): key for key in (*OWN_KEYS, *SETTINGS)}
    for secret in (key for key in SETTINGS if profiles.is_secret(key)):
        known[env_name(f"{secret}.file")] = f"{secret}.file"
        known[env_name(f"{secret}.command")] = f"{secret}.command"
    return {known[name]: (value, name) for name, value in mine.items() if name in known}


def env_name(key: str) -> str:
    return "KQ_" + key.upper().replace(".", "_")


_SERVER = re.compile(r"(\[[^\[\]\s]+\]|[^\[\]:\s]+)(?::([0-9]{1,5}))?")


def with_ports(servers: str) -> str:
    """`a,b:9093` as `a:9092,b:9093`; refuses what is not a list of hosts and ports."""
    addresses = []
    for server in servers.split(","):
        match = _SERVER.fullmatch(server.strip())
        if match is not None and not 0 < int(match[2] or DEFAULT_PORT) <= MAX_PORT:
            raise Usage(f"'{servers}' does not name brokers: a port is 1 to {MAX_PORT}, and {match[2]} is none")
        if match is None:
            raise Usage(f"'{servers}' does not name brokers; write HOST:PORT,HOST:PORT (IPv6 as [::1]:9092)")
        addresses.append(f"{match[1]}:{match[2] or DEFAULT_PORT}")
    return ",".join(addresses)


def _obtain(name: str, had: Sourced) -> str:
    if had.way == "file":
        try:
            return Path(had.value).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as fault:
            raise Failure(f"{name}.file={had.value} ({had.source}): {os_reason(fault)}") from None
        except UnicodeDecodeError:
            raise Failure(f"{name}.file={had.value} ({had.source}): not UTF-8") from None
    if had.way == "command":
        done = subprocess.run(had.value, shell=True, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Failure(f"{name}.command ({had.source}) ended with {done.returncode}: {had.value}")
        return done.stdout.rstrip("\r\n")
    return had.value


def from_process(bootstrap: Sequence[str], profile: str | None, client_settings: Sequence[str]) -> Settings:
    """`resolve` for this process's environment and directory."""
    return resolve(
        bootstrap=bootstrap,
        profile=profile,
        client_settings=client_settings,
        environ=os.environ,
        directory=Path.cwd(),
    )
