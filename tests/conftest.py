"""Fixtures of all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

import newer_cryptsetup as newer
import power_cuts
from examples import ALL_EXAMPLES
from tools import unavailable

# The same examples every time: no test may depend on chance. `make test-all` tries more of them.
settings.register_profile("few", deadline=None, derandomize=True, database=None, max_examples=30)
settings.register_profile("all", deadline=None, derandomize=True, database=None, max_examples=100)


def pytest_configure(config: pytest.Config) -> None:
    """Have signals work in children, even if this runs in the background with some of them ignored."""
    config.addinivalue_line("markers", "xdist_group: also known where pytest-xdist is not installed")
    settings.load_profile("all" if ALL_EXAMPLES else "few")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup does
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
    if power_cuts.TALLIES:
        terminalreporter.section("losing power")
        for line in power_cuts.summary():
            terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Have one process run all tests of a file, which share fixtures, unless the test names another group."""
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def newer_cryptsetup() -> Path:
    """A cryptsetup >= 2.8, which has the keyring options, whatever release this machine runs."""
    try:
        return newer.provide()
    except newer.UnavailableError as error:
        unavailable(f"a newer cryptsetup cannot be had: {error}")
