"""ApiVersions, DescribeCluster, FindCoordinator, DescribeLogDirs, InitProducerId and DescribeProducers."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.groups import FIND_COORDINATOR
from kq.wire.apis.metadata import DESCRIBE_CLUSTER
from kq.wire.apis.producers import DESCRIBE_PRODUCERS, INIT_PRODUCER_ID
from kq.wire.apis.replicas import DESCRIBE_LOG_DIRS
from kq.wire.apis.versions import API_VERSIONS
from tests.support.asking import Differs, Make, batch, now_ms, patiently, plain, produce
from tests.support.wire import Wire

# ApiVersions


def versions(wire: Wire, version: int, name: str = "test", software: str = "1.0") -> Any:
    given = {"client_software_name": name, "client_software_version": software} if version >= 3 else {}
    return wire.call(API_VERSIONS, version, API_VERSIONS.Request(**given))


@pytest.mark.java
def test_every_key_has_kafkas_versions(kq: Any, kafka: Any) -> None:
    with Wire(kq.bootstrap) as here, Wire(kafka.bootstrap) as there:
        for version in range(5):
            mine, theirs = (
                {key.api_key: (key.min_version, key.max_version) for key in versions(wire, version).api_keys}
                for wire in (here, there)
            )
            assert mine == {key: theirs[key] for key in mine}
            assert list(mine) == sorted(mine)


def test_features_whose_minimum_is_0_are_told_from_version_4_on(wire: Wire) -> None:
    for version in (0, 1, 2, 3):
        assert all(feature.min_version > 0 for feature in versions(wire, version).supported_features)
    newest = versions(wire, 4)
    supported = {feature.name: feature for feature in newest.supported_features}
    for finalized in newest.finalized_features:
        assert finalized.max_version_level <= supported[finalized.name].max_version
    assert newest.finalized_features_epoch >= 0


WRONG = (("", "1"), ("a", ""), ("a b", "1"), ("a", "1 2"), ("-a", "1"), ("a-", "1"), ("a", "-1"), ("ä", "1"))
RIGHT = (("a", "1"), ("a.b-c", "1.0-x"), ("a" * 300, "1"))


@pytest.mark.parametrize("version", [3, 4])
def test_what_software_may_be_called(wire: Wire, version: int) -> None:
    for name, software in (*WRONG, ("a_b", "1"), ("a\n", "1")):
        refused = versions(wire, version, name, software)
        expected = API_VERSIONS.Response(error_code=Err.INVALID_REQUEST)
        assert plain(refused) == plain(expected), "in the form of the version that was asked for"
    for name, software in RIGHT:
        assert versions(wire, version, name, software).error_code == Err.NONE


def test_versions_that_are_not_known(wire: Wire) -> None:
    """In the form of version 0: correlation id, error, one key, 18 from 0 to 4. The connection stays open. Versions
    above 3 are taken for ones whose header has tags."""
    for version in (5, 99, 32767, -1, -32768):
        tags = b"\0" if version > 0 else b""
        wire.send_frame(struct.pack(">hhih", 18, version, 77, -1) + tags + b"whatever")
        assert wire.receive_frame() == struct.pack(">ihihhh", 77, Err.UNSUPPORTED_VERSION, 1, 18, 0, 4)
    assert versions(wire, 0).error_code == Err.NONE


# DescribeCluster


def test_the_cluster(wire: Wire, bootstrap: str) -> None:
    make = DESCRIBE_CLUSTER.Response
    broker = make.Broker(broker_id=1, host="127.0.0.1", port=int(bootstrap.split(":")[1]), rack=None)
    for version in (0, 1, 2):
        for asked in (False, True):
            request = DESCRIBE_CLUSTER.Request(include_cluster_authorized_operations=asked)
            answer = wire.call(DESCRIBE_CLUSTER, version, request)
            assert len(answer.cluster_id) == 22
            expected = make(
                error_message=None,
                cluster_id=answer.cluster_id,
                controller_id=1,
                brokers=[broker],
                cluster_authorized_operations=8096 if asked else -(2**31),
            )
            assert plain(answer) == plain(expected)


def test_endpoints_of_other_kinds(wire: Wire) -> None:
    for version in (1, 2):
        for kind, error in ((0, 115), (2, Err.MISMATCHED_ENDPOINT_TYPE), (3, 115), (-1, 115)):
            answer = wire.call(DESCRIBE_CLUSTER, version, DESCRIBE_CLUSTER.Request(endpoint_type=kind))
            assert answer.error_message
            expected = DESCRIBE_CLUSTER.Response(error_code=error, cluster_id="")
            assert plain(answer, "error_message") == plain(expected, "error_message")
    fenced = DESCRIBE_CLUSTER.Request(include_fenced_brokers=True)
    assert len(wire.call(DESCRIBE_CLUSTER, 2, fenced).brokers) == 1


# FindCoordinator


def test_coordinators(wire: Wire, differs: Differs) -> None:
    """kq coordinates no transactions yet: its answer ends a client that wants them at once."""
    group = {Err.NONE, *differs(kafka=[Err.COORDINATOR_NOT_AVAILABLE], kq=[])}  # Kafka makes its topic meanwhile
    transaction = differs(
        kafka={Err.NONE, Err.COORDINATOR_NOT_AVAILABLE}, kq={Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED}
    )
    for kind, allowed in ((0, group), (1, transaction)):
        for version in range(7):
            if version == 0 and kind:
                continue
            of_kind = {"key_type": kind} if version else {}
            keys: dict[str, Any] = {"coordinator_keys": ["a", "b"]} if version >= 4 else {"key": "a"}
            answer = wire.call(FIND_COORDINATOR, version, FIND_COORDINATOR.Request(**keys, **of_kind))
            found = answer.coordinators if version >= 4 else [answer]
            assert len(found) == (2 if version >= 4 else 1)
            for one in found:
                assert one.error_code in allowed
                assert (one.node_id == 1 and one.port > 0) == (one.error_code == Err.NONE)
                assert (one.node_id, one.host, one.port) == (-1, "", -1) or one.error_code == Err.NONE


def test_coordinators_of_other_kinds(wire: Wire) -> None:
    for version, kind, key in ((1, 2, "s"), (3, -1, "x"), (4, 2, "s"), (6, 2, "s"), (6, 7, "s")):
        keys: dict[str, Any] = {"coordinator_keys": [key]} if version >= 4 else {"key": key}
        answer = wire.call(FIND_COORDINATOR, version, FIND_COORDINATOR.Request(**keys, key_type=kind))
        [one] = answer.coordinators if version >= 4 else [answer]
        assert (one.error_code, one.node_id, one.host, one.port) == (Err.INVALID_REQUEST, -1, "", -1)


# DescribeLogDirs

LogTopic = DESCRIBE_LOG_DIRS.Request.Topic
Sizes = dict[str, list[tuple[int, int]]]


def sizes(wire: Wire, topics: list[Any] | None, version: int = 5) -> Sizes:
    """Index and size of each partition, by topic, of the one directory there is."""
    answer = wire.call(DESCRIBE_LOG_DIRS, version, DESCRIBE_LOG_DIRS.Request(topics=topics))
    assert answer.error_code == Err.NONE
    [directory] = answer.log_dirs
    assert (directory.error_code, directory.is_cordoned) == (Err.NONE, False)
    assert directory.log_dir.startswith("/")
    assert (directory.total_bytes > directory.usable_bytes > 0) == (version >= 4)
    found: Sizes = {}
    for topic in directory.topics:
        assert all((p.offset_lag, p.is_future_key) == (0, False) for p in topic.partitions)
        found[topic.name] = sorted((p.index, p.partition_size) for p in topic.partitions)
    return found


def test_sizes_of_partitions(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(2)
    data = batch(b"x" * 50)
    produce(wire, topic, data)
    both = {topic: [(0, len(data)), (1, 0)]}
    for version in range(1, 6):
        assert sizes(wire, [LogTopic(name=topic, partitions=[0, 1])], version) == both
    everything = sizes(wire, None)
    assert everything[topic] == both[topic]
    twice = [LogTopic(name=topic, partitions=[0, 0]), LogTopic(name=topic, partitions=[1])]
    assert sizes(wire, twice) == both
    for asked in (
        [],
        [LogTopic(name=topic, partitions=[])],
        [LogTopic(name=topic, partitions=[7, -1])],
        [LogTopic(name="no-such-topic", partitions=[0])],
    ):
        assert sizes(wire, asked) == {}


# InitProducerId


def init(wire: Wire, version: int = 3, **request: Any) -> Any:
    asked = INIT_PRODUCER_ID.Request(**{"transactional_id": None, "transaction_timeout_ms": 0} | request)
    return patiently(lambda: wire.call(INIT_PRODUCER_ID, version, asked))


def test_every_producer_gets_its_own_id(wire: Wire) -> None:
    answers = [init(wire, version) for version in range(6)]
    answers += [init(wire, transaction_timeout_ms=timeout_ms) for timeout_ms in (-1, 10**9)]
    answers += [init(wire, producer_id=id_, producer_epoch=epoch) for id_, epoch in ((5, 0), (5, 32767), (-2, 0))]
    assert all((answer.error_code, answer.producer_epoch) == (Err.NONE, 0) for answer in answers)
    assert len({answer.producer_id for answer in answers}) == len(answers)
    assert all(answer.producer_id >= 0 for answer in answers)


def test_half_of_an_identity_and_an_empty_transactional_id(wire: Wire) -> None:
    for half in ({"producer_id": 5}, {"producer_epoch": 0}, {"producer_epoch": 5}, {"transactional_id": ""}):
        answer = init(wire, **half)
        assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (Err.INVALID_REQUEST, -1, -1)


def test_transactions(wire: Wire, name: str, differs: Differs) -> None:
    answer = wire.call(
        INIT_PRODUCER_ID, 3, INIT_PRODUCER_ID.Request(transactional_id=name, transaction_timeout_ms=1000)
    )
    codes = differs(
        kafka=(Err.NONE, Err.NOT_COORDINATOR, Err.COORDINATOR_NOT_AVAILABLE, Err.COORDINATOR_LOAD_IN_PROGRESS),
        kq=(Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,),
    )
    assert answer.error_code in codes


# DescribeProducers


def test_what_a_partition_knows_of_its_producers(wire: Wire, make_topic: Make) -> None:
    topic, at = make_topic(2), now_ms()
    producer_id = init(wire).producer_id or init(wire).producer_id  # of 0 Kafka keeps nothing
    identity = {"producer_id": producer_id, "producer_epoch": 0}
    for sequence, values in ((0, [b"a", b"b"]), (2, [b"c"])):
        sent = batch(*values, timestamp=at + sequence, base_sequence=sequence, **identity)
        assert produce(wire, topic, sent).error_code == Err.NONE
    assert produce(wire, topic, batch()).error_code == Err.NONE
    make = DESCRIBE_PRODUCERS.Request
    asked = [(topic, [0, 1, 5, 0]), ("no-such-topic", [0]), ("a b", [0]), ("", [0])]
    request = make(topics=[make.Topic(name=name, partitions=indexes) for name, indexes in asked])
    answer = wire.call(DESCRIBE_PRODUCERS, 0, request)
    known = DESCRIBE_PRODUCERS.Response.Producer(
        **identity, last_sequence=2, last_timestamp=at + 2, coordinator_epoch=-1, current_txn_start_offset=-1
    )
    found = {
        topic.name: [(p.index, p.error_code, plain(p.active_producers)) for p in topic.partitions]
        for topic in answer.topics
    }
    assert found == {
        topic: [(0, 0, [plain(known)]), (1, 0, []), (5, Err.UNKNOWN_TOPIC_OR_PARTITION, []), (0, 0, [plain(known)])],
        "no-such-topic": [(0, Err.UNKNOWN_TOPIC_OR_PARTITION, [])],
        "a b": [(0, Err.INVALID_TOPIC_EXCEPTION, [])],
        "": [(0, Err.INVALID_TOPIC_EXCEPTION, [])],
    }
