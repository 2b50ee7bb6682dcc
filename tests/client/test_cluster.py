"""Where brokers and leaders are: bootstrap, metadata, routing, retries - against model brokers."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest

from kq.client import Admin, Err, KafkaError, Unreachable, connect, pool
from kq.client.address import Address
from kq.client.admin import routing
from kq.client.connection import Connection
from kq.client.errors import REFUSED, WANTS_SASL
from kq.testing.ports import free_port
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.offsets import LIST_OFFSETS
from tests.client.model import Cut, ModelBroker, Silence
from tests.client.support import asynchronous, settings


def nobody() -> str:
    return f"127.0.0.1:{free_port('127.0.0.1')}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h:9093", Address("h", 9093)),
        ("h", Address("h", 9092)),
        ("[::1]:9093", Address("::1", 9093)),
        ("::1", Address("::1", 9092)),
        ("SSL://h:1", Address("h", 1)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["h:", ":9092", "h:x", "h:0", "h:70000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(KafkaError, match=r"is not HOST:PORT|a port is 1 to 65535, and (0|70000) is none"):
        Address.parse(text)


@asynchronous
async def test_any_bootstrap_server_will_do() -> None:
    async with ModelBroker() as broker:
        for order in (f"{nobody()},{broker.bootstrap}", f"{broker.bootstrap},{nobody()}"):
            async with connect(settings(order)) as cluster:
                assert cluster.known.cluster_id == "model"


@asynchronous
async def test_a_silent_bootstrap_server_does_not_hold_the_others_up() -> None:
    async with ModelBroker() as broker, ModelBroker() as silent:
        silent.handlers[18] = _silent
        for _ in range(4):  # they are tried in random order
            async with connect(settings(f"{silent.bootstrap},{broker.bootstrap}")) as cluster:
                assert cluster.known.brokers[1].port == broker.port


@asynchronous
async def test_nobody_answers() -> None:
    one, two = nobody(), nobody()
    with pytest.raises(Unreachable) as caught:
        await connect(settings(f"{one},{two}"))
    assert caught.value.reason == "refused"
    assert one in str(caught.value)
    assert two in str(caught.value)


@asynchronous
async def test_a_broker_that_wants_authentication_hangs_up_on_the_first_question() -> None:
    async with ModelBroker() as broker:
        broker.handlers[METADATA.key] = _cutting
        with pytest.raises(Unreachable, match=r"security\.protocol=SASL") as caught:
            await connect(settings(broker.bootstrap))
        assert caught.value.reason == WANTS_SASL


@asynchronous
async def test_a_connection_that_is_lost_once_is_no_wish_for_authentication() -> None:
    async with ModelBroker() as broker:
        original = broker.handlers[METADATA.key]
        cuts = 1

        def cutting(version: int, body: Any) -> Any:
            nonlocal cuts
            cuts -= 1
            if cuts >= 0:
                raise Cut
            return original(version, body)

        broker.handlers[METADATA.key] = cutting
        async with connect(settings(broker.bootstrap)) as cluster:
            assert cluster.known.cluster_id == "model"
        assert broker.connections == 2


@asynchronous
async def test_a_broker_that_goes_away_in_the_first_question_wants_no_authentication() -> None:
    async with ModelBroker() as broker:

        def going(version: int, body: Any) -> Any:
            assert broker._server is not None
            broker._server.close()
            raise Cut

        broker.handlers[METADATA.key] = going
        with pytest.raises(Unreachable) as caught:
            await connect(settings(broker.bootstrap))
        assert caught.value.reason == REFUSED


@asynchronous
async def test_an_address_that_failed_gets_more_time_and_is_left_alone_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """KIP-144 and KIP-601: both double, up to their limits, with a fifth of spread."""
    given: list[tuple[float, float | None]] = []
    loop = asyncio.get_running_loop()

    async def refuse(*arguments: object) -> Connection:
        given.append((loop.time(), arguments[-1]))  # type: ignore[arg-type]
        raise Unreachable("h:1", REFUSED, "nobody there")

    monkeypatch.setattr(pool, "open_connection", refuse)
    named: dict[str, object] = {"reconnect_backoff_ms": 10, "reconnect_backoff_max_ms": 40}
    times = {"socket_connection_setup_timeout_ms": 1000, "socket_connection_setup_timeout_max_ms": 3000}
    dialled = pool.Pool(settings("h:1", **named, **times), random.Random(1))
    for _ in range(5):
        with pytest.raises(Unreachable):
            await dialled.get(Address("h", 1))
    assert given[0][1] is None  # as the settings say
    for allowed_ms, about in zip([ms for _, ms in given[1:]], [2000, 3000, 3000, 3000], strict=True):
        assert allowed_ms is not None
        assert 0.8 * about <= allowed_ms <= 1.2 * about
    for ((earlier, _), (later, _)), about_ms in zip(pairwise(given), [10, 20, 40, 40], strict=True):
        assert later - earlier >= 0.8 * about_ms / 1000


@asynchronous
async def test_one_connection_serves_bootstrap_and_broker() -> None:
    async with ModelBroker() as broker, connect(settings(broker.bootstrap)) as cluster:
        await cluster.metadata()
        await cluster.request(METADATA, METADATA.Request(topics=[]), node=1)
        assert broker.connections == 1


@asynchronous
async def test_metadata_is_asked_once_and_kept() -> None:
    async with ModelBroker() as broker, connect(settings(broker.bootstrap)) as cluster:
        before = broker.count("Metadata")
        await cluster.metadata(["t"])
        await cluster.metadata(["t"])
        assert broker.count("Metadata") == before + 1
        await asyncio.gather(*(cluster.metadata(["t"], max_age_ms=0) for _ in range(10)))
        assert broker.count("Metadata") <= before + 3  # those who ask at once share an answer
        cluster.forget("t")
        await cluster.metadata(["t"])
        assert cluster.is_stale("u")
        assert not cluster.is_stale("t")


@asynchronous
async def test_a_missing_topic_comes_with_its_error() -> None:
    async with ModelBroker() as broker, connect(settings(broker.bootstrap)) as cluster:
        found = (await cluster.metadata(["t", "nope"])).topics
        assert found["t"].error is Err.NONE
        assert found["nope"].error is Err.UNKNOWN_TOPIC_OR_PARTITION


@asynchronous
async def test_metadata_never_lets_a_broker_make_a_topic() -> None:
    asked: list[tuple[Any, bool]] = []
    async with ModelBroker() as broker:
        original = broker.handlers[METADATA.key]

        def look(version: int, body: Any) -> Any:
            asked.append((body.topics, body.allow_auto_topic_creation))
            return original(version, body)

        broker.handlers[METADATA.key] = look
        async with connect(settings(broker.bootstrap)) as cluster:
            await cluster.metadata(["nope"])
        assert {create for _, create in asked} == {False}
        # Before version 4 there is no such switch, and naming a topic makes it: all are asked for.
        broker.ranges[METADATA.key] = (1, 3)
        asked.clear()
        async with connect(settings(broker.bootstrap)) as cluster:
            found = await cluster.metadata(["nope", "t"])
            assert found.topics["nope"].error is Err.UNKNOWN_TOPIC_OR_PARTITION
            assert found.topics["t"].error is Err.NONE
        assert [topics for topics, _ in asked] == [[], None]


@asynchronous
async def test_a_request_for_any_broker_survives_a_lost_connection() -> None:
    async with ModelBroker() as broker, connect(settings(broker.bootstrap)) as cluster:
        original = broker.handlers[METADATA.key]
        cuts = 3

        def cutting(version: int, body: Any) -> Any:
            nonlocal cuts
            cuts -= 1
            if cuts >= 0:
                raise Cut
            return original(version, body)

        broker.handlers[METADATA.key] = cutting
        assert (await cluster.request(METADATA, METADATA.Request(topics=[]))).cluster_id == "model"


@asynchronous
async def test_a_request_for_one_broker_is_sent_again_once() -> None:
    async with ModelBroker() as broker, connect(settings(broker.bootstrap)) as cluster:
        broker.cut_all()
        await cluster.request(METADATA, METADATA.Request(topics=[]), node=1)
        broker.handlers[METADATA.key] = _cutting
        before = broker.count("Metadata")
        with pytest.raises(KafkaError):
            await cluster.request(METADATA, METADATA.Request(topics=[]), node=1)
        assert broker.count("Metadata") == before + 2


@asynchronous
async def test_a_cluster_that_went_away_is_given_up_in_time() -> None:
    async with ModelBroker() as broker:
        cluster = await connect(settings(broker.bootstrap, default_api_timeout_ms=200))
    with pytest.raises(Unreachable, match=broker.bootstrap):
        await cluster.request(METADATA, METADATA.Request(topics=[]))
    await cluster.close()


@asynchronous
async def test_a_cluster_found_again_through_the_bootstrap_servers() -> None:
    """All known brokers are gone, the bootstrap address leads to a new one (KIP-899)."""
    async with ModelBroker() as broker:
        original = broker.handlers[METADATA.key]

        def elsewhere(version: int, body: Any) -> Any:
            answer = original(version, body)
            answer.brokers[0].port = gone
            return answer

        gone = free_port("127.0.0.1")
        broker.handlers[METADATA.key] = elsewhere
        async with connect(settings(broker.bootstrap)) as cluster:
            assert cluster.known.brokers[1].port == gone
            broker.cut_all()
            broker.handlers[METADATA.key] = original
            await cluster.metadata([], max_age_ms=0)
            assert cluster.known.brokers[1].port == broker.port


@asynchronous
async def test_a_dead_broker_is_a_gap_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two leaders, one of them unreachable: the other's answer comes, the gap is marked."""
    monkeypatch.setattr(routing, "PATIENCE_S", 0.3)
    async with ModelBroker(partitions=2) as broker:
        original = broker.handlers[METADATA.key]
        gone = free_port("127.0.0.1")

        def two_leaders(version: int, body: Any) -> Any:
            answer = original(version, body)
            answer.brokers.append(METADATA.Response.Broker(node_id=2, host="127.0.0.1", port=gone))
            for topic in answer.topics:
                topic.partitions[1].leader_id = 2
            return answer

        def offsets(version: int, body: Any) -> Any:
            response = LIST_OFFSETS.Response
            return response(
                topics=[
                    response.Topic(
                        name=topic.name,
                        partitions=[response.Partition(index=p.index, offset=42) for p in topic.partitions],
                    )
                    for topic in body.topics
                ]
            )

        broker.handlers[METADATA.key] = two_leaders
        broker.handlers[LIST_OFFSETS.key] = offsets
        async with connect(settings(broker.bootstrap)) as cluster:
            listed = await Admin(cluster).list_offsets({("t", 0): -1, ("t", 1): -1})
        assert listed["t", 0].offset == 42
        assert isinstance(listed["t", 1].error, Unreachable)
        assert f"broker 2: no broker answers at 127.0.0.1:{gone}" in str(listed["t", 1].error)


def _silent(version: int, body: Any) -> Any:
    raise Silence


def _cutting(version: int, body: Any) -> Any:
    raise Cut
