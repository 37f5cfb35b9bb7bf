"""The PBKDF2 engine's C code by itself: as shipped, sanitized, and on other processors."""

from __future__ import annotations

import hashlib
import platform
import random
from pathlib import Path

import pytest

from compiled import SANITIZERS, program, run
from kdumpkey._native.pbkdf2 import usable_tiers
from pbkdf2_vectors import HASHES, VECTORS, random_vector
from tools import require_tool

PARTS = ["pbkdf2/kdk_*.c", "common/kdk_cpu.c", "secret/kdk_secret.c"]
RANDOM = 120
on_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs this machine's programs as x86-64 ones"
)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short vectors of the RFCs, and random ones that hashlib answered."""
    path = tmp_path_factory.mktemp("vectors") / "pbkdf2.txt"
    rows = [(v, bytes.fromhex(v.out)) for v in VECTORS if v.iterations < 5000]
    source = random.Random(8018)
    for _ in range(RANDOM):
        v = random_vector(source)
        rows.append((v, hashlib.pbkdf2_hmac(v.hash, v.password, v.salt, v.iterations, len(v.out) // 2)))
    lines = [
        f"{HASHES.index(v.hash)} {v.iterations} {v.password.hex() or '-'} {v.salt.hex() or '-'} {out.hex()}\n"
        for v, out in rows
    ]
    path.write_text("".join(lines), encoding="ascii")
    return path


def lines_of(vectors: Path, name: str) -> int:
    return sum(line.startswith(str(HASHES.index(name))) for line in vectors.read_text().splitlines())


def checks(vectors: Path) -> int:
    """How many computations the program makes on this machine's own processor."""
    return sum(lines_of(vectors, name) * len(usable_tiers(name)) for name in HASHES)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test program as it is shipped."""
    return program(tmp_path_factory.mktemp("native"), "test_pbkdf2", *PARTS, options=["-O3"])


def test_every_tier_of_this_processor_is_right_as_it_is_shipped(native: Path, vectors: Path) -> None:
    assert int(run(native, "check", vectors)) == checks(vectors)
    assert run(native, "cancel") == ""


def test_every_tier_of_this_processor_is_clean_when_sanitized(tmp_path: Path, vectors: Path) -> None:
    sanitized = program(tmp_path, "test_pbkdf2", *PARTS, options=SANITIZERS)
    assert int(run(sanitized, "check", vectors)) == checks(vectors)
    assert run(sanitized, "cancel") == ""


def test_the_aarch64_tiers_are_right(tmp_path: Path, vectors: Path) -> None:
    emulator = require_tool("qemu-aarch64")
    arm = program(
        tmp_path, "test_pbkdf2", *PARTS, options=["-O3", "-static"], compiler="aarch64-linux-gnu-gcc"
    )
    assert run(emulator, arm, "tiers").splitlines() == [
        f"{name}: portable armv8; default armv8 armv8 armv8 armv8" for name in HASHES
    ]
    assert int(run(emulator, arm, "check", vectors)) == 2 * sum(lines_of(vectors, name) for name in HASHES)


def test_an_aarch64_processor_without_sha512_has_the_others_and_is_right(
    tmp_path: Path, vectors: Path
) -> None:
    emulator = (require_tool("qemu-aarch64"), "-cpu", "cortex-a72")
    arm = program(
        tmp_path, "test_pbkdf2", *PARTS, options=["-O3", "-static"], compiler="aarch64-linux-gnu-gcc"
    )
    assert run(*emulator, arm, "tiers").splitlines() == [
        "sha1: portable armv8; default armv8 armv8 armv8 armv8",
        "sha256: portable armv8; default armv8 armv8 armv8 armv8",
        "sha512: portable; default portable portable portable portable",
    ]
    expected = 2 * (lines_of(vectors, "sha1") + lines_of(vectors, "sha256")) + lines_of(vectors, "sha512")
    assert int(run(*emulator, arm, "check", vectors)) == expected


@on_x86_64
def test_on_a_processor_without_extensions_portable_is_the_default_and_right(
    native: Path, vectors: Path
) -> None:
    emulator = (require_tool("qemu-x86_64"), "-cpu", "qemu64")
    assert run(*emulator, native, "tiers").splitlines() == [
        f"{name}: portable; default portable portable portable portable" for name in HASHES
    ]
    assert int(run(*emulator, native, "check", vectors)) == sum(lines_of(vectors, name) for name in HASHES)
