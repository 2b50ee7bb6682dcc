"""The programs of docs/consumer-groups.md, run as they stand there against a broker of the test's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from kq.testing import Broker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "consumer-groups.md"


def test_the_programs_do_what_the_page_says() -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(programs) == 2
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as broker:
        broker.create_topic("orders", partitions=2)
        broker.produce("orders", "one", "two", "three", key="k")
        printed = []
        for program in programs:
            here = program.replace("127.0.0.1:9092", broker.bootstrap)
            here = here.replace('settings = {"auto.', f'settings = {{"bootstrap.servers": "{broker.bootstrap}", "auto.')
            done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            printed.append(done.stdout.splitlines())
    assert [line.split()[1:] for line in printed[0]] == [["0", "one"], ["1", "two"], ["2", "three"]]
    assert printed[1] == ["done 3"]
