"""Fixtures of the tests against cryptsetup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools import STAND_INS, require_tool


@pytest.fixture(scope="module", params=["system", "newer"])
def each_cryptsetup(request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of the system's cryptsetup, and then of a newer one, which `require_tool` gives meanwhile."""
    if request.param == "system":
        yield require_tool("cryptsetup")
        return
    path = str(request.getfixturevalue("newer_cryptsetup"))
    STAND_INS["cryptsetup"] = path
    yield path
    del STAND_INS["cryptsetup"]
