"""A producer id is given to one producer, whatever happens to the broker between giving and use."""

from __future__ import annotations

import threading

from confluent_kafka import Producer

from kq.testing import Broker
from tests.support import raw, topics
from tests.support.rdkafka import client, read


def test_no_id_twice_over_kills_and_restarts() -> None:
    given: list[int] = []
    with Broker() as broker:
        for i in range(6):
            given += [raw.producer_id(broker.bootstrap) for _ in range(30)]
            if i % 2:
                broker.restart()
            else:
                broker.kill()
                broker.start()
    assert len(set(given)) == len(given)


def test_no_id_twice_across_a_block() -> None:
    with Broker() as broker:
        given = [raw.producer_id(broker.bootstrap) for _ in range(1200)]  # Kafka hands out blocks of 1000
    assert len(set(given)) == 1200


def test_no_id_twice_to_callers_at_once() -> None:
    given: list[int] = []
    with Broker() as broker:
        ask = [
            threading.Thread(target=lambda: given.extend(raw.producer_id(broker.bootstrap) for _ in range(100)))
            for _ in range(4)
        ]
        for thread in ask:
            thread.start()
        for thread in ask:
            thread.join()
    assert len(given) == 400
    assert len(set(given)) == 400


def test_a_producer_that_lives_on_over_kills() -> None:
    """The broker is killed under a running idempotent producer: nothing is lost, nothing comes twice."""
    with Broker() as broker:
        topics.create(broker.bootstrap, "survivor")
        errors: list[object] = []
        producer = Producer(client(broker.bootstrap, enable_idempotence=True, linger_ms=1))
        for i in range(3000):
            producer.produce("survivor", b"%d" % i, on_delivery=lambda error, _: error and errors.append(error))
            producer.poll(0)
            if i in (700, 1900):
                broker.kill()
                broker.start()
        assert producer.flush(60) == 0
        assert errors == []
        assert [m.value() for m in read(broker.bootstrap, "survivor")] == [b"%d" % i for i in range(3000)]
