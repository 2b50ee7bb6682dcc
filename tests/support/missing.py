"""A tool that is not there: skipped loudly on a laptop, a failure where CI=true, because CI has to have them all."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def give_up(what: str, remedy: str) -> NoReturn:
    reason = f"{what} is missing: {remedy}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{reason} (CI=true: nothing may be missing)", pytrace=False)
    pytest.skip(reason)


def need_command(name: str, package: str) -> str:
    """The path of a command, or the end of this test."""
    path = shutil.which(name)
    if path is None:
        give_up(name, f"apt-get install {package}")
    return path
