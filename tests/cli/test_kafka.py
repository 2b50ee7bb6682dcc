"""The commands against Apache Kafka itself: the tests that prove a meaning run here once more, and transactions, which
only Kafka has so far."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.cli.consume.test_consume import (
    numbers as numbers,
)
from tests.cli.consume.test_consume import (
    test_counts as test_counts,
)
from tests.cli.consume.test_consume import (
    test_filters as test_filters,
)
from tests.cli.consume.test_consume import (
    test_offsets_outside_of_the_log as test_offsets_outside_of_the_log,
)
from tests.cli.consume.test_consume import (
    test_partitions as test_partitions,
)
from tests.cli.consume.test_consume import (
    test_ranges as test_ranges,
)
from tests.cli.harness import run, spawn
from tests.cli.produce.test_produce import (
    test_a_copy_is_exact as test_a_copy_is_exact,
)
from tests.cli.produce.test_produce import (
    test_a_line_that_is_too_large as test_a_line_that_is_too_large,
)
from tests.cli.produce.test_produce import (
    test_compression_and_acks as test_compression_and_acks,
)
from tests.cli.produce.test_produce import (
    test_keys_and_delimiters as test_keys_and_delimiters,
)
from tests.cli.produce.test_produce import (
    test_reports as test_reports,
)
from tests.cli.topic.test_topic import (
    test_alter as test_alter,
)
from tests.cli.topic.test_topic import (
    test_api_versions_and_log_dirs as test_api_versions_and_log_dirs,
)
from tests.cli.topic.test_topic import (
    test_config as test_config,
)
from tests.cli.topic.test_topic import (
    test_create_list_describe_delete as test_create_list_describe_delete,
)
from tests.cli.topic.test_topic import (
    test_dry_runs_change_nothing as test_dry_runs_change_nothing,
)
from tests.cli.topic.test_topic import (
    test_offsets as test_offsets,
)
from tests.cli.topic.test_topic import (
    test_some_fail_the_others_are_done as test_some_fail_the_others_are_done,
)
from tests.cli.topic.test_topic import (
    test_trim_shows_its_plan_and_does_exactly_that as test_trim_shows_its_plan_and_does_exactly_that,
)
from tests.support import peers
from tests.support.peers import Kafka

pytestmark = pytest.mark.java


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """In place of kq's own: one Apache Kafka for the session, the same that the interop tests use."""
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka


def test_an_open_transaction_is_named_and_can_be_read_past(cluster: str, topic: str) -> None:
    from confluent_kafka import Producer

    run("topic", "create", topic).ok()
    run("produce", topic, stdin=b"before\n").ok()
    producer = Producer({"bootstrap.servers": cluster, "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"inside")
    producer.flush(20)
    run("produce", topic, stdin=b"after\n").ok()

    ran = run("consume", topic, "-e").ok()
    assert ran.out == "before\n"
    assert re.fullmatch(
        rf"kq: {topic}:0 is held at 1 by an open transaction of producer \d+ \(\S+s\); "
        r"-X isolation\.level=read_uncommitted reads on\n",
        ran.err,
    )
    again = run("consume", topic, "-o", "1", "-e").err  # also where there was nothing to read
    assert re.sub(r"\(\S+s\)", "", again) == re.sub(r"\(\S+s\)", "", ran.err)
    assert run("consume", topic, "-e", "-X", "isolation.level=read_uncommitted").out == "before\ninside\nafter\n"
    with spawn("consume", topic) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert following.stdout.readline() == b"before\n"
        assert b"is held at 1 by an open transaction" in following.stderr.readline()
        producer.abort_transaction(20)
        assert following.stdout.readline() == b"after\n"
        following.terminate()
    assert run("consume", topic, "-e").out == "before\nafter\n"
    assert run("consume", topic, "-e", "--json", "-o", "1").out.count("\n") == 1


def test_a_kafka_without_kq_in_it(cluster: str, topic: str) -> None:
    """What kcat and Kafka's tools wrote is what kq reads, headers and keys included."""
    run("topic", "create", topic, "-p", "1").ok()
    peers.run(
        "kafka-console-producer",
        "--bootstrap-server",
        cluster,
        "--topic",
        topic,
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
        stdin="k:v\n:empty key\n",
    )
    assert run("consume", topic, "-e", "-f", r"%k=%v\n").out == "k=v\n=empty key\n"
    run("produce", topic, "-K:", stdin=b"a:b\n").ok()
    read = peers.run(
        "kafka-console-consumer", "--bootstrap-server", cluster, "--topic", topic, "--partition", "0", "--offset", "2",
        "--max-messages", "1", "--property", "print.key=true",
    )  # fmt: skip
    assert read.stdout.endswith("a\tb\n")
