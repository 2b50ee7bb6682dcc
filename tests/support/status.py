"""What a broker in a process of its own says of itself, on its admin port."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from kq.testing import Broker


def status(broker: Broker) -> Any:
    with urllib.request.urlopen(f"{broker.admin}/v1/status", timeout=10) as page:
        return json.load(page)
