"""Key derivation: processor time beside what cryptsetup uses, in pairs, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey._native import argon2, pbkdf2
from kdumpkey.crypto import kdf, reference
from kdumpkey.crypto.kdf import Argon2, Kdf, Pbkdf2
from measure import Row

Figure = Callable[[Row], None]
PASSPHRASE, SALT, KEY_BYTES = b"the cost does not depend on it", bytes(32), 64
ITERATIONS = 100_000


def processor_seconds(derive: Callable[[Kdf, bytes, int], object], function: Kdf) -> float:
    """User and system time, of all threads."""
    began = time.process_time()
    derive(function, PASSPHRASE, KEY_BYTES)
    return time.process_time() - began


def compare(figure: Figure, what: str, function: Kdf, pairs: int, most: float) -> None:
    """A row: the median of the pairs' ratios, which what disturbs one pair does not change."""
    times = [
        (processor_seconds(kdf.derive, function), processor_seconds(reference.derive, function))
        for _ in range(pairs)
    ]
    ratio = median(ours / theirs for ours, theirs in times)
    ours, theirs = (f"{1000 * median(column):.1f} ms" for column in zip(*times, strict=True))
    figure(Row(what, ours, theirs, ratio, most, at_most=True))


@pytest.mark.whole_process
@pytest.mark.parametrize(("memory_mib", "lanes", "most"), [(1024, 4, 0.33), (256, 1, 0.6)])
def test_argon2_against_the_reference(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, memory_mib: int, lanes: int, most: float
) -> None:
    if argon2.default_tier() not in {"avx2", "avx512"}:
        pytest.skip("the figure is promised for AVX2 and AVX-512")
    function = Argon2("argon2id", 4, memory_mib * 1024 if timed else 1024, lanes, SALT)
    benchmark.pedantic(lambda: kdf.derive(function, PASSPHRASE, KEY_BYTES), rounds=1)
    what = f"argon2id, {memory_mib} MiB, 4 passes, {lanes} lanes, processor time / argon2-cffi"
    compare(figure, what, function, 7 if timed else 1, most)


@pytest.mark.parametrize(("name", "most"), [("sha256", 0.22), ("sha512", 0.8), ("sha1", 0.4)])
def test_pbkdf2_against_hashlib(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, name: str, most: float
) -> None:
    if name != "sha512" and pbkdf2.default_tier(name, KEY_BYTES) not in {"shani", "armv8"}:
        pytest.skip("the figure is promised for processors with the SHA instructions")
    function = Pbkdf2(name, ITERATIONS if timed else 1000, SALT)
    benchmark.pedantic(lambda: kdf.derive(function, PASSPHRASE, KEY_BYTES), rounds=1)
    what = f"PBKDF2 with {name}, {KEY_BYTES} bytes, {ITERATIONS // 1000}k iterations / hashlib"
    compare(figure, what, function, 25 if timed else 1, most)
