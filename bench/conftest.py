"""Collects the figures of a run and prints them as one table."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from measure import Row
from native import Native, build

ROWS: list[Row] = []


def processor() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


@pytest.fixture(scope="session")
def timed(request: pytest.FixtureRequest) -> bool:
    """False under --benchmark-disable: everything runs once, nothing is judged."""
    return not request.config.getoption("benchmark_disable")


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    """The limit loops and the engine, called without Python in between."""
    return build(tmp_path_factory.mktemp("native"))


@pytest.fixture
def figure(timed: bool) -> Callable[[Row], None]:
    """Put a row into the table and hold it against its target."""

    def record(row: Row) -> None:
        if timed:
            ROWS.append(row)
            assert row.reached, (
                f"{row.what}: {row.ratio:.3f}, must be {'≤' if row.at_most else '≥'} {row.target}"
            )

    return record


@pytest.fixture(autouse=True)
def one_processor(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stay on one processor: single-thread figures, and no migration in the middle of one.

    Figures of whole programs are marked `whole_process` and have all of them.
    """
    if request.node.get_closest_marker("whole_process"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not ROWS:
        return
    terminalreporter.section(f"figures on {processor()}")
    terminalreporter.write_line("| what | kdumpkey | peer | ratio | must reach |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for row in ROWS:
        sign = "≤" if row.at_most else "≥"
        verdict = "" if row.reached else " **missed**"
        terminalreporter.write_line(
            f"| {row.what} | {row.ours} | {row.peer} | {row.ratio:.2f} | {sign} {row.target}{verdict} |"
        )
