"""Whole programs: what a user waits for, and the memory that a small machine must have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey import LuksHeader, open_luks
from kdumpkey.crypto import kdf
from luks_images import PASSPHRASE, Image, format_with_cryptsetup, make
from measure import Row, fastest_in_turn, seconds
from programs import console_script, run
from tools import require_tool

MIB, GIB = 1 << 20, 1 << 30
Figure = Callable[[Row], None]

pytestmark = pytest.mark.whole_process

BARE_TYPER = """
from typing import Annotated
import typer
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

@app.command()
def one(
    device: str,
    key: Annotated[str | None, typer.Option("--key", "-k")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    "Do one thing."

@app.command()
def two(
    device: str,
    size: Annotated[int | None, typer.Option("--size", "-s")] = None,
    force: Annotated[bool, typer.Option("--force", "-f")] = False,
) -> None:
    "Do another."

app()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Image:
    small = request.config.getoption("benchmark_disable")
    return make(tmp_path_factory.mktemp("programs"), 8 * MIB if small else GIB - 2 * MIB)


def milliseconds(took: float) -> str:
    return f"{took * 1e3:.0f} ms"


@pytest.mark.parametrize("action", ["--version", "isLuks"])
def test_the_start_against_a_bare_typer_program(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, tmp_path: Path, image: Image, action: str
) -> None:
    bare = tmp_path / "bare.py"
    bare.write_text(BARE_TYPER)
    command: list[str | Path] = [console_script(), action, *([image.path] if action == "isLuks" else [])]
    peer: list[str | Path] = [sys.executable, bare, "one", "device"]
    least: list[str | Path] = [sys.executable, "-c", "pass"]
    benchmark.pedantic(run, (command,), rounds=1)
    ours, theirs, python = fastest_in_turn(
        [lambda: run(command).seconds, lambda: run(peer).seconds, lambda: run(least).seconds],
        20 if timed else 1,
    )
    what = f"kdumpkey {action} / a bare typer program ({milliseconds(python)}: python -c pass)"
    figure(Row(what, milliseconds(ours), milliseconds(theirs), ours / theirs, 1.15, True))
    peaks = [run(each).peak_kib / 1024 for each in (command, peer, least)]
    shown = [f"{peak:.1f} MiB" for peak in peaks]
    what = f"the same, peak memory ({shown[2]}: python -c pass)"
    figure(Row(what, shown[0], shown[1], peaks[0] / peaks[1], 1.15, True))


def digest_seconds(header: LuksHeader, key: bytes) -> float:
    digest = header.digests[0]
    function = kdf.Pbkdf2(digest.hash, digest.iterations, digest.salt or b"")
    return min(seconds(lambda: kdf.derive(function, key, 32).close()) for _ in range(5))


def test_checking_a_volume_key_against_the_version(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, image: Image
) -> None:
    command: list[str | Path] = [console_script(), "unlock", "--test"]
    command += ["--volume-key-file", image.volume_key_file, image.path]
    with open_luks(image.path) as luks:
        digest = digest_seconds(luks.header, image.volume_key_file.read_bytes())
    benchmark.pedantic(run, (command,), rounds=1)
    ours, peer = fastest_in_turn(
        [lambda: run(command).seconds - digest, lambda: run([console_script(), "--version"]).seconds],
        20 if timed else 1,
    )
    peak = min(run(command).peak_kib for _ in range(3))
    figure(
        Row(
            "unlock --test --volume-key-file, less the digest / --version",
            milliseconds(ours),
            milliseconds(peer),
            ours / peer,
            2,
            at_most=True,
        )
    )
    figure(Row("its peak memory in MiB", f"{peak / 1024:.1f} MiB", "", peak / 1024, 45, at_most=True))


def test_the_memory_of_decrypting_a_gib(
    benchmark: BenchmarkFixture, figure: Figure, image: Image, tmp_path: Path
) -> None:
    command: list[str | Path] = [console_script(), "unlock", image.path]
    command += ["--volume-key-file", image.volume_key_file, "--to", tmp_path / "plain"]
    peak = benchmark.pedantic(run, (command,), rounds=1).peak_kib / 1024
    figure(Row("peak memory of unlock --to of a GiB in MiB", f"{peak:.1f} MiB", "", peak, 100, at_most=True))


def test_a_passphrase_against_cryptsetup(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, tmp_path: Path
) -> None:
    cryptsetup = require_tool("cryptsetup")
    memory_kib = 1048576 if timed else 65536
    path, key_file = tmp_path / "disk.img", tmp_path / "passphrase"
    key_file.write_bytes(PASSPHRASE)
    costs = ["--pbkdf", "argon2id", "--pbkdf-memory", str(memory_kib), "--pbkdf-parallel", "4"]
    format_with_cryptsetup(path, cryptsetup, *costs, "--pbkdf-force-iterations", "4")
    options: list[str | Path] = ["open", "--test-passphrase", "--key-file", key_file, path]
    benchmark.pedantic(run, ([console_script(), *options],), rounds=1)
    took, peer = fastest_in_turn(
        [lambda: run([console_script(), *options]).seconds, lambda: run([cryptsetup, *options]).seconds],
        4 if timed else 1,
    )
    figure(
        Row(
            f"a passphrase, argon2id {memory_kib >> 10} MiB / cryptsetup",
            f"{took:.2f} s",
            f"{peer:.2f} s",
            took / peer,
            1.15,
            at_most=True,
        )
    )
    ours_kib, peer_kib = run([console_script(), *options]).peak_kib, run([cryptsetup, *options]).peak_kib
    figure(
        Row(
            "its peak memory / cryptsetup's",
            f"{ours_kib / 1024:.0f} MiB",
            f"{peer_kib / 1024:.0f} MiB",
            ours_kib / peer_kib,
            1.05,
            at_most=True,
        )
    )
