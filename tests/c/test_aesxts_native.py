"""The engine's C code by itself: as shipped, sanitized, on other processors, and in constant time."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from compiled import SANITIZERS, program, run
from kdumpkey._native.aesxts import usable_tiers
from tools import require_tool, unavailable
from vectors import xts

PARTS = ["aesxts/kdk_*.c", "common/kdk_cpu.c"]
EVERY_MISALIGNMENT = "1"
SOME_MISALIGNMENTS = "9"  # for emulators: each vector some, all of them together every one
on_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs this machine's programs as x86-64 ones"
)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every vector, a line each: key, tweak, plaintext and ciphertext in hex."""
    path = tmp_path_factory.mktemp("vectors") / "xts.txt"
    rows = [(v.key, v.tweak, v.plaintext, v.ciphertext) for v in xts.all_vectors()]
    path.write_text("".join(" ".join(field.hex() for field in row) + "\n" for row in rows), encoding="ascii")
    return path


def test_every_tier_of_this_processor_is_right_as_it_is_shipped(tmp_path: Path, vectors: Path) -> None:
    native = program(tmp_path, "test_aesxts", *PARTS, options=["-O3"])
    assert tuple(run(native, "check", vectors, EVERY_MISALIGNMENT).split()) == usable_tiers()


def test_every_tier_of_this_processor_is_clean_when_sanitized(tmp_path: Path, vectors: Path) -> None:
    sanitized = program(tmp_path, "test_aesxts", *PARTS, options=SANITIZERS)
    assert tuple(run(sanitized, "check", vectors, EVERY_MISALIGNMENT).split()) == usable_tiers()


def test_the_aarch64_tiers_are_right(tmp_path: Path, vectors: Path) -> None:
    emulator = require_tool("qemu-aarch64")
    arm = program(
        tmp_path, "test_aesxts", *PARTS, options=["-O3", "-static"], compiler="aarch64-linux-gnu-gcc"
    )
    assert run(emulator, arm, "check", vectors, SOME_MISALIGNMENTS).split() == ["portable", "armv8ce"]
    assert run(emulator, arm, "tiers").splitlines() == [
        "portable: usable",
        "aesni: not built",
        "vaes_avx2: not built",
        "vaes_avx512: not built",
        "armv8ce: usable",
        "default: armv8ce",
    ]


@on_x86_64
def test_on_a_processor_without_aes_portable_is_the_default_and_right(tmp_path: Path, vectors: Path) -> None:
    emulator = (require_tool("qemu-x86_64"), "-cpu", "qemu64")
    native = program(tmp_path, "test_aesxts", *PARTS, options=["-O3"])
    assert run(*emulator, native, "tiers").splitlines() == [
        "portable: usable",
        "aesni: not on this cpu",
        "vaes_avx2: not on this cpu",
        "vaes_avx512: not on this cpu",
        "armv8ce: not built",
        "default: portable",
    ]
    assert run(*emulator, native, "check", vectors, SOME_MISALIGNMENTS).split() == ["portable"]


@on_x86_64
def test_the_extension_module_runs_on_a_processor_without_aes() -> None:
    body = """
from kdumpkey._native.aesxts import AesXts, default_tier, tier_status
assert default_tier() == "portable"
refusals = {"aesni": "does not offer", "armv8ce": "another architecture", "sse9": "no tier has this"}
for tier, message in refusals.items():
    try:
        AesXts(bytes(range(64)), tier)
        raise SystemExit(f"{tier} was not refused")
    except ValueError as error:
        assert message in str(error), error
data = bytearray(range(256)) * 2
with AesXts(bytes(range(64))) as context:
    context.encrypt(data, data, 512, 7)
    print(data.hex())
    context.decrypt(data, data, 512, 7)
assert data == bytearray(range(256)) * 2
"""
    there = run(require_tool("qemu-x86_64"), "-cpu", "qemu64", sys.executable, "-c", body)
    from kdumpkey._native.aesxts import AesXts

    here = bytearray(range(256)) * 2
    with AesXts(bytes(range(64))) as context:
        context.encrypt(here, here, 512, 7)
    assert there.strip() == here.hex()


@pytest.mark.parametrize("options", [["-O3"], ["-O1"]], ids=["O3", "O1"])
def test_no_branch_and_no_address_of_the_portable_tier_depends_on_a_secret(
    tmp_path: Path, options: list[str]
) -> None:
    memcheck = [require_tool("valgrind"), "-q", "--error-exitcode=99"]
    if subprocess.run(
        ["cc", "-E", "-include", "valgrind/memcheck.h", "-xc", "/dev/null"], capture_output=True, check=False
    ).returncode:
        unavailable("valgrind/memcheck.h is not installed")
    asked = program(tmp_path, "test_aesxts_constant_time", *PARTS, options=["-g", *options])
    for control in ("branch", "lookup"):
        done = subprocess.run([*memcheck, asked, control], capture_output=True, check=False)
        assert done.returncode == 99, f"memcheck did not see a {control} by a secret"
    assert run(*memcheck, asked, "engine") == ""
