"""`kq profile`: made, used, shown, with the source of every value and no secret on the screen."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.harness import run


def test_none_yet() -> None:
    assert run("profile") == (0, "", "No profiles. Make one: kq profile edit prod\n")
    assert run("profile", "use", "prod") == (
        3,
        "",
        "kq: no profile 'prod'\n    see:          kq profile list\n    make it:      kq profile edit prod\n",
    )


def test_edit_use_show(own_home: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = own_home / "config" / "kq" / "profiles" / "prod.toml"
    assert run("profile", "edit", "prod", env={"VISUAL": "true"}).code == 0
    assert path.read_text().startswith("# Profile prod of kq.")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(
        'bootstrap = "prod-1,prod-2:9093"\nsecurity.protocol = "SASL_SSL"\nsasl.username = "me"\n'
        'sasl.password = "hunter2"\nread_only = true\n'
    )
    assert (
        run("profile", "edit", "prod", env={"VISUAL": "false"}).err
        == f"kq: false ended with 1; the profile is {path}\n"
    )
    assert run("profile", "use", "prod") == (0, "", "")
    assert run("profile", "list").lines == [
        "PROFILE\tBOOTSTRAP\tSECURITY\tMODE\tIN USE",
        "prod\tprod-1,prod-2:9093\tSASL_SSL\tread_only\tyes",
    ]
    monkeypatch.chdir(own_home)
    (own_home / "kq.toml").write_text('linger.ms = 7\nsasl.username = "project"\n')
    ran = run("profile", "show", "--sources", "-X", "acks=1", env={"KQ_BATCH_SIZE": "1000"}).ok()
    assert ran.lines == [
        "SETTING\tVALUE\tFROM",
        "bootstrap.servers\tprod-1:9092,prod-2:9093\tprofile prod",
        "acks\t1\t-X",
        "batch.size\t1000\tKQ_BATCH_SIZE",
        f"linger.ms\t7\t{own_home}/kq.toml",
        "read_only\ttrue\tprofile prod",
        "sasl.password\t(hidden)\tprofile prod",
        f"sasl.username\tproject\t{own_home}/kq.toml",
        "security.protocol\tSASL_SSL\tprofile prod",
    ]
    document = json.loads(run("profile", "show", "--json").ok().out)
    assert document["profile"] == "prod"
    assert {"name": "sasl.password", "value": None, "from": "profile prod"} in document["settings"]
    assert "hunter2" not in run("profile", "show", "-vv").out
    assert run("profile", "show", "-C", "prod", "--no-header").lines[0] == "bootstrap.servers\tprod-1:9092,prod-2:9093"


def test_a_profile_is_used_for_its_cluster(own_home: Path, cluster: str) -> None:
    path = own_home / "config" / "kq" / "profiles" / "here.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'bootstrap = "{cluster}"\n')
    for args, env in ((("-C", "here"), {}), ((), {"KQ_PROFILE": "here"})):
        run("cluster", "info", *args, env={"KQ_BOOTSTRAP": None, **env}).ok()
    path.write_text('bootstrap = "127.0.0.1:1"\nno.such.setting = 1\n')
    ran = run("cluster", "info", "-C", "here", env={"KQ_BOOTSTRAP": None})
    assert (ran.code, ran.err) == (2, "kq: profile here: no client setting is called 'no.such.setting'\n")


def test_a_profile_that_cannot_be_read_does_not_hide_the_others(own_home: Path) -> None:
    room = own_home / "config" / "kq" / "profiles"
    room.mkdir(parents=True)
    (room / "good.toml").write_text('bootstrap = "a:1"\nread_only = true\n')
    (room / "odd.toml").write_text("not toml")
    ran = run("profile", "list")
    assert ran.code == 1
    assert ran.lines[1:] == ["good\ta:1\tPLAINTEXT\tread_only\tno", "odd\t?\t?\t?\tno"]
    assert ran.err.startswith(f"kq: {room / 'odd.toml'}: not TOML: ")
