"""What `kq.client` shows: everything it promises, and nothing loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kq.client


def test_every_public_name_is_there() -> None:
    for name in kq.client.__all__:
        assert getattr(kq.client, name) is not None
    assert set(kq.client.__all__) == set(kq.client._MODULE_OF)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        kq.client.Nonsense  # noqa: B018


def test_an_import_alone_loads_nothing_heavy() -> None:
    """Commands import names at their top; starting one must stay close to Python's own start."""
    look = "import sys, kq.client as c; c.KafkaError, c.NewTopic; print(*{'asyncio', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
