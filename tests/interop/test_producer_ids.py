"""A producer id is given to one producer, whatever happens to the broker between giving and use."""

from __future__ import annotations

import threading

from kq.testing import Broker
from tests.support import raw


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
