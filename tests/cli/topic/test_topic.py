"""`kq topic`, `kq config`, `kq cluster` against a running broker: what is printed, to the character where it can be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.harness import Ran, run


def made(name: str, *args: str) -> str:
    run("topic", "create", name, *args).ok()
    return name


def table(ran: Ran) -> list[dict[str, str]]:
    """A plain table as rows by column."""
    head, *rows = [line.split("\t") for line in ran.ok().lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_no_topics() -> None:
    from kq.testing import Broker

    with Broker() as empty:
        ran = run("topic", "list", "-b", empty.bootstrap)
        assert ran == (0, "", "No topics. Create one: kq topic create orders -p 3\n")
        assert json.loads(run("topic", "list", "--json", "-b", empty.bootstrap).out)["topics"] == []


def test_create_list_describe_delete(cluster: str, topic: str) -> None:
    assert run("topic", "create", topic, "-p", "3", "-c", "retention.ms=86400000") == (0, "", "")
    run("produce", topic, stdin=b"one\ntwo\nthree\n").ok()

    (row,) = table(run("topic", "list", topic))
    assert list(row) == ["TOPIC", "PARTITIONS", "RF", "RECORDS", "SIZE", "LAST WRITE", "HEALTH"]
    assert row["TOPIC"] == topic
    assert (row["PARTITIONS"], row["RF"], row["RECORDS"], row["HEALTH"]) == ("3", "1", "3", "ok")
    assert int(row["SIZE"]) > 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["LAST WRITE"])

    rows = table(run("topic", "describe", topic))
    assert [r["PARTITION"] for r in rows] == ["0", "1", "2"]
    assert {(r["TOPIC"], r["LEADER"], r["REPLICAS"], r["ISR"], r["START"]) for r in rows} == {
        (topic, "1", "1", "1", "0")
    }
    assert sum(int(r["RECORDS"]) for r in rows) == 3
    settings = table(run("topic", "describe", topic, "--section", "settings"))
    assert {"TOPIC": topic, "SETTING": "retention.ms", "VALUE": "86400000", "FROM": "topic"} in settings

    assert run("topic", "delete", topic, "--yes") == (0, "", "")
    ran = run("topic", "describe", topic)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"kq: no topic '{topic}' on {cluster}")


def test_describe_for_people(cluster: str, topic: str) -> None:
    made(topic, "-p", "2", "-c", "retention.ms=604800000", "-c", "min.insync.replicas=1")
    run("produce", topic, "-p", "1", stdin=b"x\n").ok()
    out = run("topic", "describe", topic, "--table").ok().out
    out = re.sub(r"id [\w-]{22}", "id ID", out)
    out = re.sub(r"shows \d+ more", "shows N more", out)
    assert out == (
        f"{topic}   2 partitions, 1 replica, min ISR 1, id ID\n"
        "\n"
        "  PARTITION  LEADER  EPOCH  REPLICAS  ISR  START  END  RECORDS  SIZE\n"
        "  0               1      0  1         1        0    0        0   0 B\n"
        "  1               1      0  1         1        0    1        1  69 B\n"
        "\n"
        "  SETTING              VALUE           FROM\n"
        "  min.insync.replicas  1               topic\n"
        "  retention.ms         604800000 (7d)  topic        (--all shows N more)\n"
    )


def test_describe_as_json(cluster: str, topic: str) -> None:
    made(topic, "-p", "2")
    document = json.loads(run("topic", "describe", topic, "--json").ok().out)
    assert (document["_command"], document["_version"]) == ("topic describe", 1)
    (described,) = document["topics"]
    assert described["name"] == topic
    assert re.fullmatch(r"[\w-]{22}", described["id"])
    assert described["partitions"][1] == {
        "partition": 1, "leader": 1, "leader_epoch": 0, "replicas": [1], "isr": [1], "offline": [],
        "start_offset": 0, "end_offset": 0, "records": 0, "size_bytes": 0,
    }  # fmt: skip


def test_several_topics_patterns_and_mistakes(cluster: str, topic: str) -> None:
    names = [made(f"{topic}-{letter}") for letter in "abc"]
    assert run("topic", "list", "--names", f"{topic}-*").ok().lines == names
    assert run("topic", "list", "--names", "--regex", f"{topic}-[ab]$").ok().lines == names[:2]
    assert run("topics", "ls", "--names", "-t", names[0], names[2]).ok().lines == [names[0], names[2]]
    blocks = run("topic", "describe", *names[:2], "--table").ok().out.split("\n\n")
    assert blocks[3].startswith(f"{names[1]}   1 partition, 1 replica")

    ran = run("topic", "describe", f"{topic}-A")
    assert ran == (3, "", f"kq: no topic '{topic}-A' on {cluster}; did you mean '{names[0]}'?\n")
    assert run("topic", "list", "zzz*") == (3, "", f"kq: no topic matches 'zzz*' on {cluster}\n")
    ran = run("topic", "delete", f"{topic}-*", "--yes", "--json").ok()
    assert [item["name"] for item in json.loads(ran.out)["topics"]] == names
    assert run("topic", "rm", names[0], "--if-exists", "--yes") == (0, "", "")


def test_some_fail_the_others_are_done(cluster: str, topic: str) -> None:
    made(f"{topic}-1")
    ran = run("topic", "create", f"{topic}-1", f"{topic}-2", "bad/name")
    assert ran.code == 1
    assert ran.out == ""
    first, second, last = ran.err.splitlines()
    assert first.startswith("kq: ")
    assert f"{topic}-1" in first
    assert "bad/name" in second
    assert last == "kq: 2 of 3 failed"
    assert run("topic", "list", "--names", f"{topic}-2").ok().lines == [f"{topic}-2"]
    assert run("topic", "create", f"{topic}-1", "--if-not-exists") == (0, "", "")
    assert run("topic", "create", f"{topic}-1").code == 1


def test_dry_runs_change_nothing(cluster: str, topic: str) -> None:
    ran = run("topic", "create", topic, "-p", "3", "--dry-run").ok()
    assert ran.lines == ["TOPIC\tPARTITIONS\tRF\tSETTINGS", f"{topic}\t3\t1\t-"]
    assert run("topic", "describe", topic).code == 3
    assert run("topic", "create", topic, "-c", "no.such=1", "--dry-run").code == 1
    made(topic, "-p", "2")
    ran = run("topic", "alter", topic, "-p", "4", "-c", "retention.ms=1000", "--unset", "segment.bytes", "--dry-run")
    assert ran.ok().lines == [
        "TOPIC\tWHAT\tNOW\tNEW",
        f"{topic}\tpartitions\t2\t4",
        f"{topic}\tretention.ms\t604800000\t1000",
        f"{topic}\tsegment.bytes\t1073741824\t(inherited)",
    ]
    assert run("topic", "delete", topic, "--dry-run").ok().lines == ["TOPIC", topic]
    assert len(table(run("topic", "describe", topic))) == 2


def test_alter(cluster: str, topic: str) -> None:
    made(topic, "-p", "2")
    run("topic", "alter", topic, "-p", "3", "-c", "retention.ms=1000", "-c", "cleanup.policy+=compact").ok()
    assert len(table(run("topic", "describe", topic))) == 3
    settings = {r["SETTING"]: r["VALUE"] for r in table(run("topic", "describe", topic, "--section", "settings"))}
    assert settings["retention.ms"] == "1000"
    assert settings["cleanup.policy"] == "delete,compact"
    run("topic", "alter", topic, "-c", "cleanup.policy-=delete", "--unset", "retention.ms").ok()
    settings = {r["SETTING"]: r["VALUE"] for r in table(run("topic", "describe", topic, "--section", "settings"))}
    assert settings["cleanup.policy"] == "compact"
    assert settings["retention.ms"] == "604800000"
    assert run("topic", "alter", topic, "-p", "2").code == 1
    assert run("topic", "alter", topic).code == 2
    assert run("topic", "alter", topic, "-c", "a=1", "--unset", "a").err == "kq: a is changed twice\n"


def test_deleting_needs_a_word(cluster: str, topic: str) -> None:
    made(topic)
    assert run("topic", "delete", topic) == (
        2,
        "",
        "kq: topic delete asks before it deletes, and there is no terminal to ask on\n"
        f"    without asking:  kq topic delete {topic} --yes\n",
    )
    assert run("topic", "list", "--names", topic).ok().lines == [topic]


def test_offsets(cluster: str, topic: str) -> None:
    made(topic, "-p", "2")
    run("produce", topic, "-p", "0", "--timestamp", "1000", stdin=b"a\nb\n").ok()
    run("produce", topic, "-p", "0", "--timestamp", "2026-11-21T10:00:00Z", stdin=b"c\n").ok()
    assert run("topic", "offsets", topic).ok().lines == [
        "PARTITION\tSTART\tEND\tRECORDS",
        f"{topic}:0\t0\t3\t3",
        f"{topic}:1\t0\t0\t0",
    ]
    for position, place in {
        "@2026-11-21": "2",
        "-1": "2",
        "+1": "1",
        "end": "3",
        "@-1s": "3",
        "99": "3",
        "@1969-12-31T23:59:59.999Z": "0",
        "@-99999999h": "0",
    }.items():
        assert run("topic", "offsets", f"{topic}:0", "-o", position).ok().lines[1].split("\t")[4] == place, position
    assert json.loads(run("topic", "offsets", topic, "-p", "1", "--json").out)["partitions"] == [
        {"topic": topic, "partition": 1, "start_offset": 0, "end_offset": 0, "records": 0}
    ]
    assert run("topic", "offsets", f"{topic}:5") == (
        3,
        "",
        f"kq: topic {topic} has no partition 5; it has partitions 0 to 1\n",
    )


def test_trim_shows_its_plan_and_does_exactly_that(cluster: str, topic: str, tmp_path: Path) -> None:
    made(topic, "-p", "2")
    run("produce", topic, "-p", "0", stdin=b"1\n2\n3\n4\n").ok()
    plan = tmp_path / "plan.json"
    ran = run("topic", "trim", topic, "-o", "-1", "--export", str(plan)).ok()
    assert ran.lines == [
        "PARTITION\tSTART\tNEW START\tEND\tDELETED",
        f"{topic}:0\t0\t3\t4\t3",
        f"{topic}:1\t0\t0\t0\t0",
    ]
    assert ran.err == f"Nothing has been changed.\nTo do it:  kq topic trim --from-file {plan} --execute\n"
    run("produce", topic, "-p", "0", stdin=b"5\n").ok()  # -1 would mean another offset now
    ran = run("topic", "trim", "--from-file", str(plan), "--execute", "--json").ok()
    assert json.loads(ran.out)["deleted"] == 3
    assert run("topic", "offsets", f"{topic}:0").ok().lines[1] == f"{topic}:0\t3\t5\t2"
    out = run("topic", "trim", topic, "-o", "end", "--table").ok().out
    assert out.splitlines()[0] == f"topic {topic}: delete the records before end in 1 of 2 partitions"
    assert out.splitlines()[-1] == "2 records would be gone for good."

    plan.write_text(json.dumps({"_command": "other", "_version": 1, "steps": []}))
    assert run("topic", "trim", "--from-file", str(plan)).err == f"kq: {plan}: not a plan of kq topic trim\n"
    step = {"topic": topic, "partition": "0", "start_offset": 3, "new_start_offset": 5, "end_offset": 5}
    plan.write_text(json.dumps({"_command": "topic trim", "_version": 1, "steps": [step]}))
    assert run("topic", "trim", "--from-file", str(plan)).err == f"kq: {plan}: not a plan of kq topic trim\n"
    assert run("topic", "delete-records", topic, "-o", "end", "--execute").ok()
    assert run("topic", "offsets", f"{topic}:0").ok().lines[1] == f"{topic}:0\t5\t5\t0"


def test_what_is_shown_can_be_pasted(cluster: str, topic: str, tmp_path: Path) -> None:
    """With the cluster it was asked of: the same words without -b could be about another."""
    made(topic)
    run("produce", topic, stdin=b"1\n").ok()
    ran = run(
        "-b", cluster, "topic", "trim", f"{topic[:-1]}*", "-o", "end", "-X", "client.id=me", env={"KQ_BOOTSTRAP": None}
    )
    said = ran.err.splitlines()[-1]
    assert said == f"To do it:  kq -b {cluster} topic trim '{topic[:-1]}*' -o end -X client.id=me --execute"
    plan = str(tmp_path / "plan.json")
    ran = run("topic", "trim", topic, "-o", "end", "-b", cluster, "--export", plan, env={"KQ_BOOTSTRAP": None})
    assert ran.err.splitlines()[-1] == f"To do it:  kq topic trim --from-file {plan} --execute -b {cluster}"
    ran = run("produce", f"{topic}-not-there", "-K", ": ", "-b", cluster)
    assert ran.err.endswith(f"    create it:    kq produce {topic}-not-there -K ': ' -b {cluster} --create\n")


def test_nothing_to_complain_about(cluster: str, topic: str) -> None:
    made(topic)
    assert run("topic", "list", topic, "--offline") == (0, "", "Of 1 topic none is offline.\n")
    assert run("topic", "list", topic, "--unhealthy").err == "Of 1 topic none is unhealthy.\n"


def test_topics_that_are_not_there_may_be(cluster: str, topic: str) -> None:
    made(topic)
    ran = run("topic", "delete", topic, f"{topic}-not-there", f"{topic}-none*", "--yes")
    assert ran.code == 3
    run("topic", "list", topic).ok()
    run("topic", "delete", topic, f"{topic}-not-there", f"{topic}-none*", "--yes", "--if-exists").ok()
    assert run("topic", "list", topic).code == 3


def test_partitions_that_contradict(cluster: str, topic: str) -> None:
    made(topic, "-p", "4")
    assert [r["PARTITION"] for r in table(run("topic", "offsets", f"{topic}:0-2", "-p", "1,3"))] == [f"{topic}:1"]
    ran = run("topic", "offsets", f"{topic}:0", "-p", "1,3")
    assert ran == (2, "", f"kq: {topic}:0 and -p 1,3 have no partition in common\n")


def test_a_read_only_or_production_profile(cluster: str, topic: str, own_home: Path) -> None:
    made(topic)
    room = own_home / "config" / "kq" / "profiles"
    room.mkdir(parents=True)
    (room / "safe.toml").write_text("read_only = true\n")
    (room / "prod.toml").write_text("production = true\n")
    for command in (
        ("topic", "create", "x"),
        ("topic", "delete", topic, "--yes"),
        ("topic", "alter", topic, "-p", "3"),
        ("topic", "trim", topic, "-o", "end", "--execute"),
        ("produce", topic),
        ("config", "alter", "topic", topic, "retention.ms=1"),
        ("bench", "produce", "-n", "1"),
    ):
        ran = run(*command, "-C", "safe")
        assert ran.code == 1, command
        assert ran.err.startswith("kq: profile safe is read_only: "), command
    run("topic", "list", "-C", "safe").ok()
    run("profile", "use", "prod").ok()
    assert run("topic", "delete", topic, "--yes").err.startswith("kq: profile prod is production: ")
    run("topic", "delete", topic, "--yes", "-C", "prod").ok()


def test_config(cluster: str, topic: str) -> None:
    made(topic, "-c", "segment.bytes=1048576")
    assert table(run("config", "describe", "topic", topic, "segment.bytes")) == [
        {"SETTING": "segment.bytes", "VALUE": "1048576", "FROM": "topic"}
    ]
    assert "1048576 (1.0 MB)" in run("config", "describe", "topic", topic, "--table").ok().out
    run("config", "alter", "topic", topic, "segment.ms=60000", "--unset", "segment.bytes").ok()
    listed = table(run("config", "list"))
    assert {"KIND": "topic", "NAME": topic, "SETTING": "segment.ms", "VALUE": "60000", "FROM": "topic"} in listed
    assert not any(r["NAME"] == topic and r["SETTING"] == "segment.bytes" for r in listed)
    assert run("config").ok().out == run("config", "list").ok().out
    document = json.loads(run("config", "describe", "topic", topic, "cleanup.policy", "--json").ok().out)
    assert document["settings"][0]["type"] == "list"
    assert document["settings"][0]["documentation"]
    assert run("config", "describe", "topic", topic, "retention.m").err == (
        "kq: no setting 'retention.m'; did you mean 'retention.ms'?\n"
    )
    assert run("config", "describe", "topic", f"{topic}x").err == (
        f"kq: no topic '{topic}x' on {cluster}; did you mean '{topic}'?\n"
    )
    assert run("config", "alter", "topic", topic, "retention.ms=soon").code == 1
    assert run("config", "describe", "broker", "x").code == 2
    assert {"num.partitions"} <= {r["SETTING"] for r in table(run("config", "describe", "broker", "1", "--all"))}
    assert "MEANING" in run("config", "describe", "topic", topic, "retention.ms", "--docs").ok().lines[0]


def test_cluster_info(cluster: str, topic: str) -> None:
    made(topic)
    (row,) = table(run("cluster", "info"))
    assert list(row) == ["BROKER", "ADDRESS", "RACK", "LEADS", "REPLICAS", "DISK USED", "DISK FREE"]
    assert (row["BROKER"], row["ADDRESS"], row["RACK"]) == ("1", cluster, "-")
    out = run("cluster", "--table").ok().out
    assert re.match(
        r"cluster [\w-]{22}   1 broker answers, controller 1\n\d+ topics?, \d+ partitions: 0 under-rep", out
    )
    document = json.loads(run("cluster", "info", "--json").ok().out)
    assert document["brokers"][0]["alive"] is True
    assert document["brokers"][0]["disk_free_bytes"] > 0


def test_api_versions_and_log_dirs(cluster: str, topic: str) -> None:
    made(topic, "-p", "2")
    rows = table(run("cluster", "api-versions"))
    assert {"BROKER": "1", "KEY": "0", "API": "Produce", "MIN": "0", "MAX": "13"} in rows
    dirs = table(run("cluster", "log-dirs", "-t", topic))
    assert [r["PARTITION"] for r in dirs] == [f"{topic}:0", f"{topic}:1"]
    assert {r["BEHIND"] for r in dirs} == {"0"}
    assert run("cluster", "api-versions", "--broker", "9") == (3, "", "kq: no broker 9 answers; there is broker 1\n")


def test_verbose_names_each_request(cluster: str) -> None:
    err = run("topic", "list", "-v").ok().err
    assert re.search(rf"^\d\d:\d\d:\d\d\.\d{{3}} {re.escape(cluster)} Metadata v\d+", err, re.MULTILINE)


@pytest.mark.parametrize(
    "args", [("topic", "list"), ("cluster", "api-versions"), ("config", "list"), ("topic", "offsets", "*")]
)
def test_plain_output_is_the_same_everywhere(cluster: str, topic: str, args: tuple[str, ...]) -> None:
    made(topic)
    plain = run(*args).ok().out
    assert plain.isascii()
    assert run(*args, "--plain").ok().out == plain
    assert run(*args, "--no-header").ok().lines == plain.splitlines()[1:]
    assert all(line.count("\t") == plain.splitlines()[0].count("\t") for line in plain.splitlines())
