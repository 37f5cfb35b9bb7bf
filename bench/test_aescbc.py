"""AES-CBC as volumes have it, against OpenSSL's own loop over one long message."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey._native.aescbc import default_tier
from kdumpkey.crypto.cipher import CipherSpec, sector_cipher
from measure import Row, fastest_in_turn, seconds

BUFFER = 64 << 10
CALLS = 200
Figure = Callable[[Row], None]


def openssl_speed(*options: str) -> float:
    """Seconds that OpenSSL's own loop needs for one byte, 4096 at a time."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "speed", "-mr", "-seconds", "1", "-bytes", "4096", *options, "-evp", "aes-256-cbc"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("+F:"))
    return 1 / float(line.rsplit(":", 1)[1])


@pytest.mark.parametrize("sector_size", [4096, 512])
@pytest.mark.parametrize(("direction", "target"), [("decrypt", 1.2), ("encrypt", 3.0)])
def test_cbc_with_essiv_against_openssl_speed(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, direction: str, target: float, sector_size: int
) -> None:
    if default_tier() in ("portable", "armv8ce"):
        pytest.skip("the figure is for x86-64 with AES instructions")
    spec, buffer = CipherSpec.parse("aes-cbc-essiv:sha256"), bytearray(BUFFER)
    with sector_cipher(spec, bytes(range(32)), sector_size=sector_size) as cipher:
        work = cipher.decrypt_into if direction == "decrypt" else cipher.encrypt_into

        def ours() -> float:
            def loop() -> None:
                for _ in range(CALLS if timed else 1):
                    work(buffer, buffer, 8)

            return min(seconds(loop) for _ in range(20 if timed else 1)) / CALLS

        benchmark(work, buffer, buffer, 8)
        options = ["-decrypt"] if direction == "decrypt" else []
        took, peer = fastest_in_turn([ours, lambda: openssl_speed(*options)], 5 if timed else 1)
    rates = BUFFER / took / 1e9, 1 / peer / 1e9
    figure(
        Row(
            f"AES-256-CBC, ESSIV, {direction}, {sector_size}-byte sectors, {default_tier()} / openssl speed",
            f"{rates[0]:.2f} GB/s",
            f"{rates[1]:.2f} GB/s",
            rates[0] / rates[1],
            target,
        )
    )
