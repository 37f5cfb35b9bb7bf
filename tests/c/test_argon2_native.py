"""The Argon2 engine's C code by itself: as shipped, sanitized, and on other processors."""

from __future__ import annotations

import platform
import random
from pathlib import Path

import pytest

import argon2_reference as reference
from compiled import SANITIZERS, program, run
from kdumpkey._native.argon2 import usable_tiers
from tools import require_tool

PARTS = ["argon2/kdk_*.c", "common/kdk_cpu.c", "secret/kdk_secret.c"]
THREADS = ["-pthread"]
RACES = ["-g", "-O1", "-fsanitize=thread", *THREADS]
WRAPPED = ["-DWRAPPED", "-Wl,--wrap=munmap", *THREADS]
on_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs this machine's programs as x86-64 ones"
)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vectors of RFC 9106, and random ones that the reference implementation answered."""
    path = tmp_path_factory.mktemp("vectors") / "argon2.txt"
    lines = [reference.inputs_of_rfc9106(variant).line(tag) for variant, tag in reference.RFC9106.items()]
    source = random.Random(9106)
    for _ in range(25):
        case = reference.random_case(source, 256)
        lines.append(case.line(reference.tag(case)))
    path.write_text("".join(lines), encoding="ascii")
    return path


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test program as it is shipped."""
    return program(tmp_path_factory.mktemp("native"), "test_argon2", *PARTS, options=["-O3", *THREADS])


def test_every_tier_of_this_processor_is_right_as_it_is_shipped(native: Path, vectors: Path) -> None:
    assert tuple(run(native, "check", vectors).split()) == usable_tiers()


def test_all_memory_is_zero_when_it_goes_back_after_success_and_after_each_slice(tmp_path: Path) -> None:
    assert run(program(tmp_path, "test_argon2", *PARTS, options=["-O3", *WRAPPED]), "wipe") == ""


def test_every_tier_of_this_processor_is_clean_when_sanitized(tmp_path: Path, vectors: Path) -> None:
    sanitized = program(tmp_path, "test_argon2", *PARTS, options=[*SANITIZERS, *WRAPPED])
    assert tuple(run(sanitized, "check", vectors).split()) == usable_tiers()
    assert run(sanitized, "wipe") == ""


def test_threads_do_not_race_when_sanitized(tmp_path: Path, vectors: Path) -> None:
    watched = program(tmp_path, "test_argon2", *PARTS, options=[*RACES, *WRAPPED])
    assert tuple(run(watched, "check", vectors).split()) == usable_tiers()
    assert run(watched, "wipe") == ""


def test_the_aarch64_tiers_are_right(tmp_path: Path, vectors: Path) -> None:
    emulator = require_tool("qemu-aarch64")
    options = ["-O3", "-static", *THREADS]
    arm = program(tmp_path, "test_argon2", *PARTS, options=options, compiler="aarch64-linux-gnu-gcc")
    assert run(emulator, arm, "check", vectors).split() == ["portable", "neon"]
    assert run(emulator, arm, "tiers").splitlines() == [
        "portable: usable",
        "neon: usable",
        "avx2: not built",
        "avx512: not built",
        "default: neon",
    ]


@on_x86_64
def test_on_a_processor_without_avx2_portable_is_the_default_and_right(native: Path, vectors: Path) -> None:
    emulator = (require_tool("qemu-x86_64"), "-cpu", "qemu64")
    assert run(*emulator, native, "check", vectors).split() == ["portable"]
    assert run(*emulator, native, "tiers").splitlines() == [
        "portable: usable",
        "neon: not built",
        "avx2: not on this cpu",
        "avx512: not on this cpu",
        "default: portable",
    ]
