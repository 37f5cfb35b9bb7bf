"""The engine leaves no secret on the stack of its caller."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kdumpkey._native.aesxts import tier_status
from tools import require_tool

ROOT = Path(__file__).resolve().parent.parent.parent
ENGINE, COMMON = ROOT / "cext/aesxts", ROOT / "cext/common"
TIERS = ["portable", "aesni", "vaes_avx2", "vaes_avx512"]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("stack") / "test_aesxts_stack"
    sources = [ROOT / "tests/c/test_aesxts_stack.c", *sorted(ENGINE.glob("kdk_*.c")), COMMON / "kdk_cpu.c"]
    flags = ["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ENGINE}", f"-I{COMMON}"]
    subprocess.run([require_tool("cc"), *flags, *sources, "-o", program], check=True)
    return program


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
