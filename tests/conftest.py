"""Fixtures of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import newer_cryptsetup as newer
from tools import unavailable


@pytest.fixture(scope="session")
def newer_cryptsetup() -> Path:
    """A cryptsetup >= 2.7, which has the keyring options, whatever release this machine runs."""
    try:
        return newer.provide()
    except newer.UnavailableError as error:
        unavailable(f"a newer cryptsetup cannot be had: {error}")
