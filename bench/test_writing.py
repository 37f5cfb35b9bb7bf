"""What writing takes as whole programs: formatting against cryptsetup, encrypting against cp."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from measure import Row, fastest_in_turn
from programs import console_script, run
from tools import require_tool

GIB, MIB = 1 << 30, 1 << 20
Figure = Callable[[Row], None]
pytestmark = pytest.mark.whole_process


def test_formatting_against_cryptsetup(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, tmp_path: Path
) -> None:
    device = tmp_path / "device"
    device.touch()
    os.truncate(device, 32 * MIB)
    (tmp_path / "key").write_bytes(b"correct horse")
    words = ["luksFormat", "-q", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32768"]
    words += [str(device), str(tmp_path / "key")]

    def ours() -> float:
        return run([console_script(), *words]).seconds

    def theirs() -> float:
        return run([Path(require_tool("cryptsetup")), *words]).seconds

    benchmark.pedantic(ours, rounds=1)
    took, peer = fastest_in_turn([ours, theirs], 15 if timed else 1)
    row = f"{1000 * took:.0f} ms", f"{1000 * peer:.0f} ms", took / peer
    figure(Row("luksFormat, 4 passes, 32 MiB / cryptsetup", *row, 1.5, at_most=True))
