"""File to file: `unlock --to` and `encrypt` against `cp`, as whole processes, on a disk and in memory.

The page cache is warm, and neither side synchronises. Pairs are interleaved and nothing is subtracted: the
start and the digest of the volume key count. A row is the median of the pairs' ratios.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from luks_images import Image, make
from measure import Row
from programs import Run, console_script, run
from tools import require_tool

GIB, MIB = 1 << 30, 1 << 20
PAIRS = {1: 9, 4: 5}
TMPFS = Path("/dev/shm")  # noqa: S108
TARGETS = {("disk", 4): 1.1, ("tmpfs", 4): 1.3, ("disk", 1): 1.8, ("tmpfs", 1): 1.8}
Figure = Callable[[Row], None]
pytestmark = pytest.mark.whole_process


class Copies:
    """A volume with its plaintext, and what copies them."""

    def __init__(self, folder: Path, gib: int, nbytes: int) -> None:
        self.gib = gib
        self.image: Image = make(folder, nbytes)
        self.plain, self.copy, self.source = folder / "plain", folder / "copy", folder / "source"
        kind = ["stat", "--file-system", "--format", "%T", str(folder)]
        self.filesystem = subprocess.run(kind, capture_output=True, text=True, check=True).stdout.strip()

    def unlock(self, *options: str) -> Run:
        """Decrypt all of the volume."""
        self.plain.unlink(missing_ok=True)
        key = ["--volume-key-file", str(self.image.volume_key_file)]
        return run([console_script(), "unlock", self.image.path, *key, "--to", self.plain, *options])

    def encrypt(self) -> Run:
        """Encrypt a file as long as the volume into it."""
        key = ["--volume-key-file", str(self.image.volume_key_file)]
        return run([console_script(), "encrypt", "-q", self.source, self.image.path, *key])

    def cp(self, source: Path) -> Run:
        """Copy what the other side reads."""
        self.copy.unlink(missing_ok=True)
        return run([require_tool("cp"), "--reflink=never", source, self.copy])


@pytest.fixture(params=list(TARGETS), ids=lambda case: f"{case[0]}-{case[1]}GiB")
def copies(request: pytest.FixtureRequest, tmp_path: Path, timed: bool) -> Iterator[Copies]:
    where, gib = request.param
    if where == "disk":
        yield Copies(tmp_path, gib, gib * GIB if timed else 4 * MIB)
        return
    if not TMPFS.is_dir():
        pytest.skip(f"there is no {TMPFS}")
    with TemporaryDirectory(dir=TMPFS) as folder:
        needed = 4 * gib * GIB if timed else 16 * MIB
        if shutil.disk_usage(folder).free < needed or _available() < needed:
            pytest.skip(f"{needed >> 20} MiB of memory are not available")
        yield Copies(Path(folder), gib, gib * GIB if timed else 4 * MIB)


def _available() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


def record(
    figure: Figure,
    what: str,
    pairs: list[tuple[Run, Run]],
    target: float,
) -> None:
    for kind in ("wall", "CPU"):
        times = [
            (ours.seconds, peer.seconds)
            if kind == "wall"
            else (ours.processor_seconds, peer.processor_seconds)
            for ours, peer in pairs
        ]
        figure(
            Row(
                f"{what}, {kind}",
                f"{statistics.median(ours for ours, _ in times):.2f} s",
                f"{statistics.median(peer for _, peer in times):.2f} s",
                statistics.median(ours / peer for ours, peer in times),
                target,
                at_most=True,
            )
        )


def test_copying_against_cp(
    benchmark: BenchmarkFixture,
    figure: Figure,
    timed: bool,
    copies: Copies,
    request: pytest.FixtureRequest,
) -> None:
    target = TARGETS[request.node.callspec.params["copies"]]
    benchmark.pedantic(copies.unlock, rounds=1)
    os.rename(copies.plain, copies.source)
    unlocked, sparse, encrypted = [], [], []
    for _ in range(PAIRS[copies.gib] if timed else 1):
        unlocked.append((copies.unlock(), copies.cp(copies.image.path)))
        sparse.append((copies.unlock("--sparse"), copies.unlock()))
        copies.plain.unlink()
        encrypted.append((copies.encrypt(), copies.cp(copies.source)))
        copies.copy.unlink()
    on = f"{copies.gib} GiB on {copies.filesystem}"
    failures: list[AssertionError] = []
    for what, pairs, limit in (
        (f"unlock --to, {on} / cp", unlocked, target),
        (f"encrypt, {on} / cp", encrypted, target),
        (f"unlock --to --sparse, {on}, nothing sparse / without --sparse", sparse, 1.1),
    ):
        try:
            record(figure, what, pairs, limit)
        except AssertionError as error:  # the other rows are figures, too
            failures.append(error)
    if failures:
        raise failures[0]
