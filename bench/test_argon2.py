"""What measuring costs: a default comparison's time, what it adds to Argon2's own, and an estimate's time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey.kdump.cost.measure import Cell, measure
from measure import Row

Figure = Callable[[Row], None]
pytestmark = pytest.mark.whole_process
KDUMPKEY = [sys.executable, "-m", "kdumpkey"]

DIRECT = """
import time
from kdumpkey.crypto.kdf import Argon2, derive
derive(Argon2("argon2id", 1, 8, 1, bytes(32)), b"", 4).close()
began = time.perf_counter()
derive(Argon2("argon2id", 4, {memory_kib}, 1, bytes(32)), b"passphrase", 64).close()
print(time.perf_counter() - began)
"""


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def test_the_default_grid_takes_less_than_a_minute(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool
) -> None:
    words = [*KDUMPKEY, "argon2", "compare"]
    if not timed:
        words += ["--memory", "16M", "--runs", "1"]
    took = benchmark.pedantic(lambda: seconds(words), rounds=1)
    figure(Row("argon2 compare, default grid, in seconds", f"{took:.0f} s", "", took, 60, at_most=True))


def test_measuring_adds_nothing_to_what_is_measured(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool
) -> None:
    kib = 256 * 1024 if timed else 1024
    cell = Cell("argon2id", kib, 4, 1)
    direct = [sys.executable, "-c", DIRECT.format(memory_kib=kib)]

    def directly() -> float:
        return float(subprocess.run(direct, check=True, capture_output=True, text=True).stdout)

    benchmark.pedantic(lambda: measure(cell, 1), rounds=1)
    pairs = [(measure(cell, 1).seconds, directly()) for _ in range(15 if timed else 1)]
    # The middle of the pairs' ratios: what disturbs one pair does not count.
    ratio = median(mine / theirs for mine, theirs in pairs)
    shown = (f"{1000 * median(times):.0f} ms" for times in zip(*pairs, strict=True))
    what = "Argon2id, 256 MiB, as measured / derived directly"
    figure(Row(what, *shown, ratio, 1.03, at_most=True))


def test_an_estimate_is_made_at_once(benchmark: BenchmarkFixture, figure: Figure, timed: bool) -> None:
    estimate, version = [*KDUMPKEY, "kdump", "estimate", "--arch", "x86_64"], [*KDUMPKEY, "--version"]
    benchmark.pedantic(lambda: seconds(estimate), rounds=1)
    ours, theirs = [], []
    for _ in range(15 if timed else 1):
        theirs.append(seconds(version))
        ours.append(seconds(estimate))
    mine, others = min(ours), min(theirs)
    row = f"{1000 * mine:.0f} ms", f"{1000 * others:.0f} ms", mine / others
    figure(Row("kdump estimate / --version", *row, 2, at_most=True))
