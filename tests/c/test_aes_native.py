"""The AES engines' C code by itself: as shipped, sanitized, on other processors, and in constant time."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiled import SANITIZERS, program, run
from tools import require_tool, unavailable
from vectors import cbc, xts

EVERY_MISALIGNMENT = "1"
SOME_MISALIGNMENTS = "9"  # for emulators: each vector some, all of them together every one
on_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs this machine's programs as x86-64 ones"
)


@dataclass(frozen=True)
class Engine:
    """An engine: its name, its vectors (key, IV, plaintext, ciphertext), and how a context is made."""

    name: str
    vectors: Callable[[], Iterable[tuple[bytes, bytes, bytes, bytes]]]
    context: str
    tier: str

    def program(self, into: Path, options: list[str], suffix: str = "", compiler: str | None = None) -> Path:
        """Its test program, compiled."""
        parts = [f"{self.name}/kdk_*.c", "common/kdk_cpu.c"]
        return program(into, f"test_{self.name}{suffix}", *parts, options=options, compiler=compiler)

    @property
    def usable_tiers(self) -> tuple[str, ...]:
        tiers: tuple[str, ...] = importlib.import_module(f"kdumpkey._native.{self.name}").usable_tiers()
        return tiers


ENGINES = (
    Engine(
        "aesxts",
        lambda: ((v.key, v.tweak, v.plaintext, v.ciphertext) for v in xts.all_vectors()),
        "AesXts(bytes(range(64)))",
        "AesXts(bytes(range(64)), tier)",
    ),
    Engine(
        "aescbc",
        lambda: ((v.key, v.iv, v.plaintext, v.ciphertext) for v in cbc.all_vectors()),
        "AesCbc(bytes(range(32)))",
        "AesCbc(bytes(range(32)), None, tier)",
    ),
)


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, id=each.name, marks=pytest.mark.xdist_group(each.name)) for each in ENGINES],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = request.param
    return made


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """Every vector, a line each, in hex."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    lines = (" ".join(field.hex() for field in row) + "\n" for row in engine.vectors())
    path.write_text("".join(lines), encoding="ascii")
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """The program as the extension module is compiled."""
    return engine.program(tmp_path_factory.mktemp("shipped"), ["-O3"])


def test_every_tier_of_this_processor_is_right_as_it_is_shipped(
    engine: Engine, shipped: Path, vectors: Path
) -> None:
    assert tuple(run(shipped, "check", vectors, EVERY_MISALIGNMENT).split()) == engine.usable_tiers


def test_every_tier_of_this_processor_is_clean_when_sanitized(
    engine: Engine, tmp_path: Path, vectors: Path
) -> None:
    sanitized = engine.program(tmp_path, SANITIZERS)
    assert tuple(run(sanitized, "check", vectors, EVERY_MISALIGNMENT).split()) == engine.usable_tiers


def test_the_aarch64_tiers_are_right(engine: Engine, tmp_path: Path, vectors: Path) -> None:
    emulator = require_tool("qemu-aarch64")
    arm = engine.program(tmp_path, ["-O3", "-static"], compiler="aarch64-linux-gnu-gcc")
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
def test_on_a_processor_without_aes_portable_is_the_default_and_right(shipped: Path, vectors: Path) -> None:
    emulator = (require_tool("qemu-x86_64"), "-cpu", "qemu64")
    assert run(*emulator, shipped, "tiers").splitlines() == [
        "portable: usable",
        "aesni: not on this cpu",
        "vaes_avx2: not on this cpu",
        "vaes_avx512: not on this cpu",
        "armv8ce: not built",
        "default: portable",
    ]
    assert run(*emulator, shipped, "check", vectors, SOME_MISALIGNMENTS).split() == ["portable"]


ENCRYPTED = """
from kdumpkey._native.{name} import *
data = bytearray(range(256)) * 2
with {context} as context:
    context.encrypt(data, data, 512, 7)
    print(data.hex())
    context.decrypt(data, data, 512, 7)
assert data == bytearray(range(256)) * 2
"""
REFUSALS = """
from kdumpkey._native.{name} import default_tier
assert default_tier() == "portable"
refusals = {{"aesni": "does not offer", "armv8ce": "another architecture", "sse9": "no tier has this"}}
for tier, message in refusals.items():
    try:
        {tier}
        raise SystemExit(f"{{tier}} was not refused")
    except ValueError as error:
        assert message in str(error), error
"""


@on_x86_64
def test_the_extension_module_runs_on_a_processor_without_aes(engine: Engine) -> None:
    words = {"name": engine.name, "context": engine.context, "tier": engine.tier}
    encrypted, refusals = ENCRYPTED.format(**words), REFUSALS.format(**words)
    emulator = (require_tool("qemu-x86_64"), "-cpu", "qemu64")
    there = run(*emulator, sys.executable, "-c", encrypted + refusals)
    assert there == run(sys.executable, "-c", encrypted)


@pytest.mark.parametrize("options", [["-O3"], ["-O1"]], ids=["O3", "O1"])
def test_no_branch_and_no_address_of_the_portable_tier_depends_on_a_secret(
    engine: Engine, tmp_path: Path, options: list[str]
) -> None:
    memcheck = [require_tool("valgrind"), "-q", "--error-exitcode=99"]
    if subprocess.run(
        ["cc", "-E", "-include", "valgrind/memcheck.h", "-xc", "/dev/null"], capture_output=True, check=False
    ).returncode:
        unavailable("valgrind/memcheck.h is not installed")
    asked = engine.program(tmp_path, ["-g", *options], "_constant_time")
    for control in ("branch", "lookup"):
        done = subprocess.run([*memcheck, asked, control], capture_output=True, check=False)
        assert done.returncode == 99, f"memcheck did not see a {control} by a secret"
    assert run(*memcheck, asked, "engine") == ""
