"""The kdump kernel's own program, as `kdump install` puts it into an initramfs, and how large that is."""

from __future__ import annotations

import base64
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import newer_cryptsetup
from kdumpkey.crypto.kdf import Pbkdf2, derive
from kdumpkey.kdump.install import PROGRAM, install
from kdumpkey.luks import luks2
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import Luks2Header
from measure import Row
from programs import Run, console_script, newer_cryptsetup_command, run
from tools import chrooted, require_tool, unavailable

PAIRS = 21
PASSPHRASE = b"correct horse battery staple"
MIB = 1 << 20
Figure = Callable[[Row], None]

pytestmark = pytest.mark.whole_process


@dataclass(frozen=True)
class Initramfs:
    """What was installed: its root, and a volume key as a file in it."""

    root: Path

    def image(self, iterations: int) -> str:
        """The path in it of an image whose digest has so many iterations of SHA-256."""
        name = f"disk-{iterations}"
        disk = self.root / name
        if not disk.exists():
            shutil.copy(self.root / "disk", disk)
            with open_luks(disk) as luks:
                header = luks.header
            assert isinstance(header, Luks2Header)
            _write_digest(disk, header, iterations, (self.root / "key").read_bytes())
        return f"/{name}"

    def test(self, iterations: int) -> list[str | Path]:
        """The command that checks the key."""
        check = [PROGRAM, "test", self.image(iterations), "--volume-key-file", "/key"]
        return [require_tool("chroot"), *chrooted(self.root)[1:], *check]


def _write_digest(disk: Path, header: Luks2Header, iterations: int, key: bytes) -> None:
    digest = header.digests[0]
    with derive(Pbkdf2(digest.hash, iterations, digest.salt or b""), key, 32) as value:
        text = base64.b64encode(memoryview(value)).decode()
    changed = {**header.json["digests"]["0"], "iterations": iterations, "digest": text}  # type: ignore[index,call-overload,dict-item]
    header = header._replace(json={**header.json, "digests": {"0": changed}})
    with disk.open("r+b") as file:
        for secondary in (False, True):
            file.seek(header.metadata_size if secondary else 0)
            file.write(luks2.serialise(header, secondary=secondary, salt=os.urandom(64)))


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory: pytest.TempPathFactory) -> Initramfs:
    if os.geteuid() != 0:
        pytest.skip("only root runs a program in another root directory without another program between")
    folder = tmp_path_factory.mktemp("capture")
    root = folder / "root"
    root.mkdir()
    install(root)
    disk, passphrase = root / "disk", folder / "passphrase"
    disk.touch()
    os.truncate(disk, 18 * MIB)
    passphrase.write_bytes(PASSPHRASE)
    costs = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    run([console_script(), "luksFormat", "-q", *costs, disk, passphrase])
    with open_luks(disk) as luks, luks.unlock(PASSPHRASE) as opened, memoryview(opened.volume_key) as secret:
        (root / "key").write_bytes(secret)
    return Initramfs(root)


def _in_pairs(ours: list[str | Path], peer: list[str | Path], rounds: int) -> list[tuple[Run, Run]]:
    run(ours), run(peer)
    return [(run(ours), run(peer)) for _ in range(rounds)]


@pytest.mark.parametrize(
    ("what", "measure", "shown", "limit"),
    [
        ("time", lambda run: run.seconds * 1e3, "{:.0f} ms", 3),
        ("peak memory", lambda run: run.peak_kib / 1024, "{:.1f} MiB", 2),
    ],
)
def test_checking_a_volume_key_against_a_bare_python(
    benchmark: BenchmarkFixture,
    figure: Figure,
    timed: bool,
    initramfs: Initramfs,
    what: str,
    measure: Callable[[Run], float],
    shown: str,
    limit: float,
) -> None:
    command = initramfs.test(1000)
    benchmark.pedantic(run, (command,), rounds=1)
    pairs = _in_pairs(command, [sys.executable, "-c", "pass"], PAIRS if timed else 1)
    ours, peer = (statistics.median(measure(each[i]) for each in pairs) for i in (0, 1))
    figure(
        Row(
            f"kdumpkey-capture test by a volume key, as installed / python -c pass, {what}",
            shown.format(ours),
            shown.format(peer),
            statistics.median(measure(mine) / measure(bare) for mine, bare in pairs),
            limit,
            True,
        )
    )


def test_checking_a_volume_key_against_cryptsetup(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, initramfs: Initramfs
) -> None:
    command = initramfs.test(250_000)
    try:
        cryptsetup = newer_cryptsetup_command()
    except newer_cryptsetup.UnavailableError as error:
        unavailable(f"a newer cryptsetup cannot be had: {error}")
    options = ["open", "--test-passphrase", "--volume-key-file", initramfs.root / "key"]
    disk = initramfs.root / initramfs.image(250_000)[1:]
    peer = [*cryptsetup, *options, disk]
    benchmark.pedantic(run, (command,), rounds=1)
    pairs = _in_pairs(command, peer, PAIRS if timed else 1)
    ours, theirs = (statistics.median(each[i].seconds * 1e3 for each in pairs) for i in (0, 1))
    figure(
        Row(
            "the same with a digest of 250,000 iterations / cryptsetup 2.8",
            f"{ours:.0f} ms",
            f"{theirs:.0f} ms",
            statistics.median(mine.seconds / other.seconds for mine, other in pairs),
            1.3,
            True,
        )
    )


def test_the_size_of_what_is_installed(benchmark: BenchmarkFixture, figure: Figure, tmp_path: Path) -> None:
    done = benchmark.pedantic(install, (tmp_path,), rounds=1)
    names = "\n".join(str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")))
    cpio = [require_tool("cpio"), "--quiet", "-o", "-H", "newc"]
    archive = subprocess.run(cpio, cwd=tmp_path, input=names.encode(), capture_output=True, check=True)
    zstd = [require_tool("zstd"), "-19", "-c"]
    packed = subprocess.run(zstd, input=archive.stdout, capture_output=True, check=True)
    unpacked_mib, packed_mib = done.nbytes / MIB, len(packed.stdout) / MIB
    figure(Row("what kdump install adds, MiB unpacked", f"{unpacked_mib:.1f}", "", unpacked_mib, 15, True))
    figure(Row("the same, MiB by zstd -19", f"{packed_mib:.1f}", "", packed_mib, 6, True))
