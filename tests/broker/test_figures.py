"""What the broker counts of itself, and what it tells over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from kq.broker.metrics import LATENCY_BUCKETS_S, RequestStats
from kq.testing import Broker


def test_quantiles_are_the_bounds_of_their_buckets() -> None:
    stats = RequestStats()
    assert stats.quantile_s(0.5) is None
    for _ in range(98):
        stats.add(0.0003)
    stats.add(0.7)
    stats.add(1000)
    assert stats.quantile_s(0.5) == 0.0005
    assert stats.quantile_s(0.99) == 1.0
    assert stats.quantile_s(1.0) == float("inf")
    assert stats.count == sum(stats.buckets) == 100
    assert stats.seconds == pytest.approx(98 * 0.0003 + 1000.7)


@pytest.mark.parametrize("bound", LATENCY_BUCKETS_S)
def test_a_bound_belongs_to_its_bucket(bound: float) -> None:
    stats = RequestStats()
    stats.add(bound)
    assert stats.quantile_s(0.5) == bound


def get(url: str, method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_only_get_on_two_paths(broker: Broker) -> None:
    assert get(f"{broker.admin}/metrics")[0] == 200
    assert get(f"{broker.admin}/v1/status")[0] == 200
    assert get(f"{broker.admin}/v1/status", "POST")[0] == 405
    assert get(f"{broker.admin}/metrics", "DELETE")[0] == 405
    assert get(f"{broker.admin}/") == (404, "here are /metrics and /v1/status\n")


def test_a_latency_beyond_the_last_bucket_is_no_infinity_in_json(broker: Broker) -> None:
    """JSON has none, and strict readers refuse the whole page."""
    page = strict(get(f"{broker.admin}/v1/status")[1])
    assert page["_version"] == 1
    assert page["address"] == broker.bootstrap
    assert page["data_dir"] == str(broker.data_dir)


def test_it_can_be_off() -> None:
    with Broker({"kq.admin.listener": ""}) as broker:
        assert broker.admin is None


def test_a_second_broker_gives_way_at_the_default_address() -> None:
    with Broker() as one, Broker() as two:
        assert one.admin != two.admin
        assert get(f"{one.admin}/v1/status")[0] == get(f"{two.admin}/v1/status")[0] == 200
