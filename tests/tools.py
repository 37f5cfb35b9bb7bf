"""What a test does where a program it needs is missing: skip with the reason, or fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test; with KDUMPKEY_REQUIRE_TOOLS=1, fail it instead."""
    if os.environ.get("KDUMPKEY_REQUIRE_TOOLS") == "1":
        pytest.fail(f"KDUMPKEY_REQUIRE_TOOLS=1, and {reason}")
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """The path of a program of the system."""
    return shutil.which(name) or unavailable(f"{name} is not installed")
