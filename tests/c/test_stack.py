"""The AES engines leave no secret on the stack of their callers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compiled import program
from kdumpkey._native.aesxts import tier_status

ENGINES = ["aesxts", "aescbc"]
TIERS = ["portable", "aesni", "vaes_avx2", "vaes_avx512"]


@pytest.fixture(scope="module", params=ENGINES)
def painted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [f"{request.param}/kdk_*.c", "common/kdk_cpu.c"]
    return program(tmp_path_factory.mktemp("stack"), f"test_{request.param}_stack", *parts, options=["-O3"])


@pytest.mark.parametrize("tier", TIERS)
def test_no_byte_of_the_stack_depends_on_key_or_data_after_a_call(painted: Path, tier: str) -> None:
    if tier_status(tier) != "usable":
        pytest.skip(f"{tier} is {tier_status(tier)}")
    done = subprocess.run([painted, tier], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_secret_left_on_purpose_is_seen(painted: Path) -> None:
    done = subprocess.run([painted, "portable", "leave"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "decrypt of 1 sectors of 16 bytes leaves" in done.stdout
