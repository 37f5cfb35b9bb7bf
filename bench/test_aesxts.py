"""The engine's figures: single thread, AES-256, each a ratio to a peer or to the limit in the same run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey._native.aesxts import AesXts, usable_tiers
from measure import Row, fastest_in_turn, seconds
from native import Buffer, Native

KIB, MIB = 1 << 10, 1 << 20
ROUNDS = 60
Figure = Callable[[Row], None]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the limit loops are x86-64's")
WIDEST = [tier for tier in usable_tiers() if tier != "portable"][-1:] or ["portable"]


def rate(nbytes: int, took: float) -> str:
    return f"{nbytes / took / 1e9:.2f} GB/s" if nbytes / took > 1e9 else f"{nbytes / took / 1e6:.0f} MB/s"


def hardware_tier(name: str) -> str:
    if name not in usable_tiers():
        pytest.skip(f"this processor does not have the {name} tier")
    return name


@pytest.mark.parametrize(("sector_size", "target"), [(4096, 0.90), (512, 0.80)])
@pytest.mark.parametrize("tier", WIDEST)
def test_decrypt_against_the_limit(
    benchmark: BenchmarkFixture,
    native: Native,
    figure: Figure,
    timed: bool,
    tier: str,
    sector_size: int,
    target: float,
) -> None:
    hardware_tier(tier)
    buffer = Buffer(64 * KIB)
    ours = native.engine(tier, buffer, sector_size, 100)
    benchmark.pedantic(ours, rounds=3)
    took, limit = fastest_in_turn([ours, native.limit(tier, buffer, 100)], ROUNDS if timed else 1)
    n = buffer.nbytes
    figure(
        Row(
            f"decrypt, 64 KiB, {sector_size}-byte sectors, {tier} / limit loop",
            rate(n, took),
            rate(n, limit),
            limit / took,
            target,
        )
    )


def openssl_speed() -> float:
    """Seconds that OpenSSL's own loop needs for one byte, 4096 at a time."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "speed", "-mr", "-seconds", "1", "-bytes", "4096", "-decrypt", "-evp", "aes-256-xts"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("+F:"))
    return 1 / float(line.rsplit(":", 1)[1])


@pytest.mark.parametrize(("tier", "target"), [*((tier, 1.8) for tier in WIDEST), ("aesni", 1.0)])
def test_decrypt_against_openssl_speed(
    benchmark: BenchmarkFixture, native: Native, figure: Figure, timed: bool, tier: str, target: float
) -> None:
    hardware_tier(tier)
    buffer = Buffer(64 * KIB)
    n = buffer.nbytes
    ours = native.engine(tier, buffer, 4096, 2000)
    benchmark.pedantic(ours, rounds=3)
    took, peer = fastest_in_turn([ours, lambda: openssl_speed() * n], 5 if timed else 1)
    figure(
        Row(
            f"decrypt, 4096-byte sectors, {tier} / openssl speed, 4096 bytes",
            rate(n, took),
            rate(n, peer),
            peer / took,
            target,
        )
    )


def test_python_calls_against_cryptography_at_its_best(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool
) -> None:
    key = os.urandom(64)
    data, out = bytearray(MIB), bytearray(MIB + 16)
    context = AesXts(key)
    cipher = Cipher(algorithms.AES(key), modes.XTS(bytes(16)))

    def ours() -> None:
        context.decrypt(data, data, 4096, 0, 8)

    def peer() -> None:
        cipher.decryptor().update_into(data, out)

    benchmark(ours)
    took, theirs = fastest_in_turn([lambda: seconds(ours), lambda: seconds(peer)], 400 if timed else 1)
    figure(
        Row(
            "from Python, 1 MiB calls, 4096-byte sectors / cryptography, one 1 MiB unit",
            rate(MIB, took),
            rate(MIB, theirs),
            theirs / took,
            0.90,
        )
    )


@pytest.mark.parametrize("tier", WIDEST)
def test_large_buffer_against_the_limit(
    benchmark: BenchmarkFixture, native: Native, figure: Figure, timed: bool, tier: str
) -> None:
    hardware_tier(tier)
    buffer = Buffer((256 if timed else 1) * MIB)
    ours = native.engine(tier, buffer, 4096, 1)
    benchmark.pedantic(ours, rounds=2)
    took, limit = fastest_in_turn([ours, native.limit(tier, buffer, 1)], 12 if timed else 1)
    n = buffer.nbytes
    figure(
        Row("decrypt, 256 MiB in place / limit loop on it", rate(n, took), rate(n, limit), limit / took, 0.90)
    )


def test_short_sectors_against_cryptography_sector_by_sector(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool
) -> None:
    key = os.urandom(64)
    data, out = bytearray(MIB), bytearray(512 + 16)
    view = memoryview(data)
    context = AesXts(key)

    def ours() -> None:
        context.decrypt(data, data, 512)

    def peer() -> None:
        for sector in range(MIB // 512):
            mode = modes.XTS(sector.to_bytes(16, "little"))
            decryptor = Cipher(algorithms.AES(key), mode).decryptor()
            decryptor.update_into(view[sector * 512 : sector * 512 + 512], out)

    benchmark(ours)
    took, theirs = fastest_in_turn([lambda: seconds(ours), lambda: seconds(peer)], 25 if timed else 1)
    figure(
        Row(
            "from Python, 1 MiB calls, 512-byte sectors / cryptography, a sector a call",
            rate(MIB, took),
            rate(MIB, theirs),
            theirs / took,
            50,
        )
    )


def test_overhead_of_a_call(benchmark: BenchmarkFixture, native: Native, figure: Figure, timed: bool) -> None:
    buffer = Buffer(512)
    context = AesXts(bytes(range(64)))
    data = bytearray(512)
    calls = 10000 if timed else 1

    def ours() -> float:
        def loop() -> None:
            for _ in range(calls):
                context.decrypt(data, data, 512)

        return seconds(loop) / calls

    benchmark(context.decrypt, data, data, 512)
    took, bare = fastest_in_turn([ours, native.engine(context.tier, buffer, 512, 10000)], 20 if timed else 1)
    overhead = (took - bare) * 1e6
    figure(
        Row(
            "one 512-byte sector from Python, overhead in µs / the call from C",
            f"{took * 1e9:.0f} ns",
            f"{bare * 1e9:.0f} ns",
            overhead,
            1.0,
            at_most=True,
        )
    )


@pytest.mark.parametrize("sector_size", [4096, 512])
@pytest.mark.parametrize("tier", WIDEST)
def test_encrypt_against_decrypt(
    benchmark: BenchmarkFixture, native: Native, figure: Figure, timed: bool, tier: str, sector_size: int
) -> None:
    hardware_tier(tier)
    buffer = Buffer(64 * KIB)
    encrypt = native.engine(tier, buffer, sector_size, 100, decrypt=False)
    benchmark.pedantic(encrypt, rounds=3)
    decrypt = native.engine(tier, buffer, sector_size, 100)
    took, other = fastest_in_turn([encrypt, decrypt], ROUNDS if timed else 1)
    n = buffer.nbytes
    figure(
        Row(
            f"encrypt / decrypt, {sector_size}-byte sectors",
            rate(n, took),
            rate(n, other),
            other / took,
            0.90,
        )
    )


@pytest.mark.parametrize("sector_size", [4096, 512])
def test_portable_tier_reaches_100_mb_a_second(
    benchmark: BenchmarkFixture, native: Native, figure: Figure, timed: bool, sector_size: int
) -> None:
    buffer = Buffer(64 * KIB)
    ours = native.engine("portable", buffer, sector_size, 4)
    benchmark.pedantic(ours, rounds=2)
    (took,) = fastest_in_turn([ours], 20 if timed else 1)
    n = buffer.nbytes
    figure(
        Row(
            f"portable tier, decrypt, {sector_size}-byte sectors / 100 MB/s",
            rate(n, took),
            "100 MB/s",
            n / took / 1e8,
            1.0,
        )
    )
