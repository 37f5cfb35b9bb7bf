"""Placement: how long the exact distribution and a sample take."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey.region.model import ImageSizes, Policy, segments_of
from kdumpkey.region.placement import Layout
from measure import Row

MIB = 1 << 20
Figure = Callable[[Row], None]


def layout(policy: Policy, mib: int, kernel: int = 70, initrd: int = 60) -> Layout:
    sizes = ImageSizes(kernel=kernel * MIB, initrd=initrd * MIB)
    return Layout(policy, 0x2000_0000, mib * MIB, segments_of(sizes, 392))


def fastest(call: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def test_the_distribution_of_a_gibibyte_is_enumerated_at_once(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool
) -> None:
    plan = layout(Policy.UPSTREAM, 1024)
    benchmark.pedantic(plan.distribution, rounds=3)
    ms = 1000 * fastest(plan.distribution, 20 if timed else 1)
    figure(Row("exact distribution, 1 GiB, all 65536 draws, in ms", f"{ms:.2f} ms", "", ms, 5, at_most=True))


@pytest.mark.parametrize("seed", [1, None], ids=["repeatable", "the system's randomness"])
def test_placements_are_drawn_by_the_million(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, seed: int | None
) -> None:
    plan = layout(Policy.HARDENED, 1024)
    n = 2_000_000 if timed else 1000
    benchmark.pedantic(plan.sample, (n, seed), rounds=2)
    rate = n / fastest(lambda: plan.sample(n, seed), 5 if timed else 1) / 1e6
    what = f"hardened placements a second, {'seeded' if seed else 'the system’s randomness'}, in millions"
    figure(Row(what, f"{rate:.0f} M/s", "", rate, 5))


def test_the_policies_side_by_side(benchmark: BenchmarkFixture, figure: Figure) -> None:
    upstream = benchmark.pedantic(layout(Policy.UPSTREAM, 256, 60, 30).distribution)
    hardened = layout(Policy.HARDENED, 256, 60, 30).distribution()
    bits = f"{hardened.min_bits:.2f} bits", f"{upstream.min_bits:.2f} bits"
    figure(Row("min-entropy at 256M, hardened / upstream", *bits, hardened.min_bits / upstream.min_bits, 1))


def test_no_load_fails_by_fragmentation(benchmark: BenchmarkFixture, figure: Figure) -> None:
    hardened = benchmark.pedantic(layout(Policy.HARDENED, 160, 70, 60).distribution)
    upstream = layout(Policy.UPSTREAM, 160, 70, 60).distribution()
    shown = f"{100 * hardened.failure_probability:.1f} %", f"{100 * upstream.failure_probability:.1f} %"
    what = "failed loads at 160/60/70 MiB, hardened (upstream beside it)"
    figure(Row(what, *shown, hardened.failure_probability, 0, at_most=True))
