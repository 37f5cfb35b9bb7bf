"""The hand-over against the passphrase: what the kdump kernel's user space needs, measured from outside."""

from __future__ import annotations

import lzma
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey.memory import available as memory
from measure import Row
from programs import Run, console_script, run
from tools import unavailable

MIB = 1 << 20
PASSPHRASE = b"correct horse battery staple"
Figure = Callable[[Row], None]

pytestmark = pytest.mark.whole_process


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if memory.available().kib < 1200 << 10:
        unavailable("less than 1200 MiB of memory are available, for Argon2 at 1 GiB")
    with tempfile.TemporaryDirectory(prefix="kdumpkey-bench-", dir="/dev/shm") as folder:
        monkeypatch.setenv("KDUMPKEY_MACHINE", f"{folder}/machine")
        yield Path(folder)


def test_from_kdump_against_the_passphrase(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, machine: Path
) -> None:
    disk, key_file = machine / "root.img", machine / "passphrase"
    packed = resources.files("kdumpkey.mock") / "disks" / "root.img.xz"
    disk.write_bytes(lzma.decompress(packed.read_bytes()))
    os.truncate(disk, 64 * MIB)
    key_file.write_bytes(PASSPHRASE)

    def kdumpkey(*words: str | Path) -> Run:
        return run([console_script(), *words])

    kdumpkey("kdump", "boot", "--throwaway")
    passphrase = min(
        (kdumpkey("unlock", disk, "--key-file", key_file) for _ in range(3 if timed else 1)),
        key=lambda measured: measured.seconds,
    )
    kdumpkey("kdump", "name", disk, "--key-file", key_file)
    kdumpkey("kdump", "load")
    kdumpkey("kdump", "crash")
    handed_over = [benchmark.pedantic(kdumpkey, ("unlock", disk, "--from-kdump"), rounds=1)]
    handed_over += [kdumpkey("unlock", disk, "--from-kdump") for _ in range(5 if timed else 0)]
    handed = min(handed_over, key=lambda measured: measured.seconds)
    kdumpkey("kdump", "destroy")
    figure(
        Row(
            "unlock --from-kdump / by passphrase with Argon2id at 1 GiB, time",
            f"{handed.seconds * 1e3:.0f} ms",
            f"{passphrase.seconds * 1e3:.0f} ms",
            handed.seconds / passphrase.seconds,
            1 / 5,
            True,
        )
    )
    figure(
        Row(
            "unlock --from-kdump / by passphrase with Argon2id at 1 GiB, peak memory",
            f"{handed.peak_kib / 1024:.0f} MiB",
            f"{passphrase.peak_kib / 1024:.0f} MiB",
            handed.peak_kib / passphrase.peak_kib,
            1 / 20,
            True,
        )
    )
