"""Where settings come from: the order of the layers, the ways of secrets, and what a project file may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.cli.profile import profiles
from kq.cli.profile.settings import Settings, resolve, with_ports
from kq.cli.run.failures import Failure, NotFound, Usage


class Place:
    """A home and a project directory of one's own."""

    def __init__(self, room: Path) -> None:
        self.home = room / "config"
        self.project = room / "project" / "deep"
        self.project.mkdir(parents=True)

    def profile(self, name: str, text: str, mode: int = 0o600) -> None:
        path = self.home / "kq" / "profiles" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def use(self, name: str) -> None:
        (self.home / "kq" / "profile").write_text(name + "\n")

    def kq_toml(self, text: str) -> None:
        (self.project.parent / "kq.toml").write_text(text)

    def resolve(self, *settings: str, b: str | None = None, c: str | None = None, **environ: str) -> Settings:
        return resolve(
            bootstrap=[b] if b else [],
            profile=c,
            client_settings=settings,
            environ={"XDG_CONFIG_HOME": str(self.home), **environ},
            directory=self.project,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_defaults(place: Place) -> None:
    settings = place.resolve()
    assert settings.client() == {"bootstrap.servers": "127.0.0.1:9092"}
    assert settings.values["bootstrap.servers"].source == "default"
    assert not settings.read_only
    assert not settings.production


def test_each_layer_yields_to_the_one_above(place: Place) -> None:
    place.profile("prod", 'bootstrap = "profile:1"\nlinger.ms = 1\nacks = "all"\nclient.id = "p"\nretries = 4')
    place.use("prod")
    assert place.resolve().bootstrap == "profile:1"
    place.kq_toml('bootstrap = "project:2"\nlinger.ms = 2\nacks = "1"\nclient.id = "t"')
    assert place.resolve().bootstrap == "project:2"
    assert place.resolve(KQ_BOOTSTRAP="environment:3").bootstrap == "environment:3"
    assert place.resolve(b="flag:4", KQ_BOOTSTRAP="environment:3").bootstrap == "flag:4"
    settings = place.resolve("linger.ms=9", KQ_ACKS="0")
    assert {name: (had.value, had.source) for name, had in settings.values.items()} == {
        "bootstrap.servers": ("project:2", str(place.project.parent / "kq.toml")),
        "linger.ms": ("9", "-X"),
        "acks": ("0", "KQ_ACKS"),
        "client.id": ("t", str(place.project.parent / "kq.toml")),
        "retries": ("4", "profile prod"),
    }


def test_which_profile(place: Place) -> None:
    for name in ("used", "project", "environment", "flag"):
        place.profile(name, f'bootstrap = "{name}:1"')
    place.use("used")
    assert place.resolve().bootstrap == "used:1"
    place.kq_toml('profile = "project"')
    assert place.resolve().profile == "project"
    assert place.resolve(KQ_PROFILE="environment").bootstrap == "environment:1"
    named = place.resolve(c="flag", KQ_PROFILE="environment")
    assert named.bootstrap == "flag:1"
    assert named.profile_was_named
    with pytest.raises(NotFound, match=r"no profile 'flg'; did you mean 'flag'"):
        place.resolve(c="flg")


def test_a_commands_own_flags_and_defaults(place: Place) -> None:
    place.profile("p", 'acks = "1"')
    settings = place.resolve("compression.type=gzip", c="p")
    config = settings.client(
        {"acks": "all", "compression.type": "lz4"}, {"acks": "0", "isolation.level": "read_committed"}
    )
    assert config["acks"] == "all"
    assert config["compression.type"] == "gzip"  # -X is the more exact word
    assert config["isolation.level"] == "read_committed"


@pytest.mark.parametrize(
    "setting", ["sasl.password=x", "ssl.key.password=x", "sasl.jaas.config=x", "ssl.keystore.key=x", "ssl.key.pem=x"]
)
def test_secrets_do_not_go_in_flags(place: Place, setting: str) -> None:
    with pytest.raises(Usage, match="secrets do not go in flags") as refused:
        place.resolve(setting)
    assert "x" not in refused.value.message.removeprefix("-X " + setting.partition("=")[0]).split()
    assert refused.value.hints[0].command.startswith("KQ_")


def test_ways_to_a_secret(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from file\n")
    assert place.resolve(f"sasl.password.file={secret}").client()["sasl.password"] == "from file"
    assert place.resolve("sasl.password.command=echo from command").client()["sasl.password"] == "from command"
    assert place.resolve(KQ_SASL_PASSWORD="plain").client()["sasl.password"] == "plain"
    assert place.resolve(KQ_SASL_PASSWORD_FILE=str(secret)).client()["sasl.password"] == "from file"
    # The layer above decides, whatever the way.
    place.profile("p", 'sasl.password = "lowest"')
    assert (
        place.resolve(f"sasl.password.file={secret}", c="p", KQ_SASL_PASSWORD="x").client()["sasl.password"]
        == "from file"
    )
    with pytest.raises(Failure, match="no such file"):
        place.resolve("sasl.password.file=/does/not/exist").client()
    with pytest.raises(Failure, match="ended with 3"):
        place.resolve("sasl.password.command=exit 3").client()


def test_a_profile_with_a_secret_is_for_its_owner_alone(place: Place) -> None:
    place.profile("open", 'sasl.password = "x"', mode=0o644)
    with pytest.raises(Failure, match="others can read it") as refused:
        place.resolve(c="open")
    assert refused.value.hints[0].command.startswith("chmod 600 ")
    place.profile("harmless", "linger.ms = 3", mode=0o644)
    assert place.resolve(c="harmless").client()["linger.ms"] == "3"


@pytest.mark.parametrize(
    "line", ['sasl.password = "x"', 'sasl.password.command = "id"', 'ssl.key.password.file = "/etc/x"']
)
def test_a_project_file_holds_no_secrets_and_runs_nothing(place: Place, line: str) -> None:
    place.kq_toml(line)
    with pytest.raises(Failure, match="a project file must not"):
        place.resolve()


def test_a_project_file_gets_no_password_sent_to_its_broker(place: Place) -> None:
    place.profile("prod", 'bootstrap = "prod:9092"\nsasl.password = "x"')
    place.use("prod")
    place.kq_toml('bootstrap = "evil:9092"')
    with pytest.raises(Failure, match=r"would send sasl\.password of profile prod to evil:9092"):
        place.resolve().client()
    assert place.resolve(b="evil:9092").client()["sasl.password"] == "x"  # asked for by hand


def test_read_only_and_production(place: Place) -> None:
    place.profile("p", "read_only = true\nproduction = true")
    assert place.resolve(c="p").read_only
    assert place.resolve(c="p").production
    assert not place.resolve(c="p", KQ_READ_ONLY="false").read_only
    assert "read_only" not in place.resolve(c="p").client()


def test_unknown_variables_of_the_environment_are_no_settings(place: Place) -> None:
    assert place.resolve(KQ_PEERS="/somewhere", KQ_DATA_DIR="/x").client() == {"bootstrap.servers": "127.0.0.1:9092"}


ADDRESSES = {
    "a": "a:9092",
    "a,b:1": "a:9092,b:1",
    " a , b ": "a:9092,b:9092",
    "[::1]": "[::1]:9092",
    "[::1]:19092": "[::1]:19092",
}


@pytest.mark.parametrize("servers", ADDRESSES)
def test_addresses(servers: str) -> None:
    assert with_ports(servers) == ADDRESSES[servers]


@pytest.mark.parametrize("servers", ["", "a,", "a:b", "a:", ":9092", "::1", "a:70000"])
def test_addresses_that_are_none(servers: str) -> None:
    with pytest.raises(Usage, match="does not name brokers"):
        with_ports(servers)


@pytest.mark.parametrize("setting", ["linger.ms", "=5", ""])
def test_settings_without_a_value(place: Place, setting: str) -> None:
    with pytest.raises(Usage, match="write -X key=value"):
        place.resolve(setting)


def test_twice_on_one_layer(place: Place) -> None:
    with pytest.raises(Usage, match=r"gives sasl\.password twice"):
        place.resolve("sasl.password.file=a", "sasl.password.command=b")
    with pytest.raises(Usage, match="both name the brokers"):
        place.resolve("bootstrap.servers=a:1", b="b:1")


@pytest.mark.parametrize(("text", "on"), [("1", True), ("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_a_switch_in_the_environment(place: Place, text: str, on: bool) -> None:
    assert place.resolve(KQ_READ_ONLY=text).read_only is on


def test_a_switch_that_is_neither(place: Place) -> None:
    with pytest.raises(Usage, match="KQ_READ_ONLY: read_only is true or false, not 'ja'"):
        place.resolve(KQ_READ_ONLY="ja")
    place.profile("p", "production = 3")
    with pytest.raises(Usage, match="profile p: production is true or false, not '3'"):
        place.resolve(c="p")


def test_a_password_file_that_is_no_text(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff")
    with pytest.raises(Failure, match="not UTF-8"):
        place.resolve(f"sasl.password.file={tmp_path / 'secret'}").client()


def test_librdkafkas_spelling(place: Place) -> None:
    assert place.resolve("sasl.mechanisms=PLAIN").client()["sasl.mechanism"] == "PLAIN"


def test_files_that_are_broken(place: Place) -> None:
    place.profile("p", "not toml")
    with pytest.raises(Failure, match="not TOML"):
        place.resolve(c="p")
    with pytest.raises(Usage, match="cannot name a profile"):
        place.resolve(c="../../etc/passwd")
    place.profile("q", "linger.ms = 2026-01-01")
    with pytest.raises(Failure, match="neither text, number"):
        place.resolve(c="q")


def test_using_and_writing_profiles(place: Place) -> None:
    environ = {"XDG_CONFIG_HOME": str(place.home)}
    path = profiles.profile_path("new", environ)
    profiles.write_private(path, profiles.TEMPLATE.format(name="new"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert place.resolve(c="new").bootstrap == "127.0.0.1:9092"
    profiles.use_profile("new", environ)
    assert profiles.profile_in_use(environ) == "new"
    with pytest.raises(NotFound):
        profiles.use_profile("other", environ)
