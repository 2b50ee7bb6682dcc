"""What the broker's log says of a partition whose disk takes nothing."""

from __future__ import annotations

import pytest

from kq.broker.trouble import REMIND_MS, begun

FULL = "Could not append to /data/t-0: No space left on device."


def test_it_is_said_once_a_minute_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    trouble = begun("t:0", FULL, 1000)
    for now_ms in (2000, 30_000, 1000 + REMIND_MS, 2000 + REMIND_MS):
        trouble.goes_on("t:0", FULL, now_ms)
    trouble.goes_on("t:0", "Input/output error", 3000 + REMIND_MS)
    trouble.is_over("t:0", 4000 + REMIND_MS)
    assert caplog.messages == [
        f"t:0 takes no records: {FULL}",
        f"t:0 takes no records: {FULL} 4 writes refused in 60 s",
        "t:0 takes no records: Input/output error. 6 writes refused in 62 s",
        "t:0 takes records again; 6 writes were refused in 63 s",
    ]
