"""What changes headers is held against the system's cryptsetup and against a newer one, test by test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import STAND_INS

BOTH_RELEASES = (
    *("test_changes_side_by_side", "test_configure", "test_convert", "test_encrypt", "test_format"),
    *("test_header_backup", "test_header_restore", "test_keyslots", "test_repair"),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rpartition(".")[2] in BOTH_RELEASES:
        metafunc.fixturenames.insert(0, "cryptsetup_release")
        metafunc.parametrize("cryptsetup_release", ["system", "newer"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def cryptsetup_release(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have `require_tool` give the cryptsetup of one release or the other."""
    if request.param == "newer":
        newer: Path = request.getfixturevalue("newer_cryptsetup")
        STAND_INS["cryptsetup"] = str(newer)
    yield
    STAND_INS.pop("cryptsetup", None)
