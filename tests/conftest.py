"""Fixtures of all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import cuts
import newer_cryptsetup as newer
from tools import unavailable


def pytest_configure() -> None:
    """Have Ctrl-C work in children even where this was started in the background, with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--run-sanitized",
        action="store_true",
        help="also run the C tests that are compiled with sanitizers (make asan)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests named *sanitized* to `make asan`."""
    if config.getoption("--run-sanitized"):
        return
    left_out = [item for item in items if "sanitized" in item.name]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many cuts were survived, if any were made."""
    if cuts.TALLIES:
        terminalreporter.section("losing power")
        for line in cuts.summary():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def newer_cryptsetup() -> Path:
    """A cryptsetup >= 2.8, which has the keyring options, whatever release this machine runs."""
    try:
        return newer.provide()
    except newer.UnavailableError as error:
        unavailable(f"a newer cryptsetup cannot be had: {error}")
