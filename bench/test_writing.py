"""What writing takes as whole programs: formatting against cryptsetup, encrypting against cp."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from luks_images import make
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


def test_encrypting_a_gib_against_cp(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, tmp_path: Path
) -> None:
    size = GIB if timed else 4 * MIB
    image = make(tmp_path, size)
    plain, copy = tmp_path / "plain", tmp_path / "copy"
    with plain.open("wb") as file:
        piece = os.urandom(MIB)
        for _ in range(size // MIB):
            file.write(piece)
    command: list[str | Path] = [console_script(), "encrypt", "-q", plain, image.path]
    command += ["--volume-key-file", image.volume_key_file]

    def peer() -> float:
        copy.unlink(missing_ok=True)
        return run([Path(require_tool("cp")), plain, copy]).seconds

    benchmark.pedantic(lambda: run(command), rounds=1)
    took, copied = fastest_in_turn([lambda: run(command).seconds, peer], 8 if timed else 1)
    row = f"{took:.2f} s", f"{copied:.2f} s", took / copied
    figure(Row(f"encrypt of {size / GIB:.1f} GiB / cp", *row, 1.5, at_most=True))
