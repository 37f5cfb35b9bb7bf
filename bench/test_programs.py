"""Whole programs: what a user waits for, and the memory that a small machine must have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey import LuksHeader, open_luks
from kdumpkey.crypto import kdf
from luks_images import PASSPHRASE, Image, format_with_cryptsetup, make
from measure import Row, fastest_in_turn, seconds
from newer_release import UnavailableError
from newer_release import run as run_tool
from programs import console_script, newer_cryptsetup_command, run
from tools import require_tool

MIB, GIB = 1 << 20, 1 << 30
ARGON2_KIB = 256 << 10  # more than anything but Argon2 takes
FORCED = ["--pbkdf-force-iterations"]
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


def cryptsetups() -> dict[str, tuple[str | Path, ...]]:
    """The system's cryptsetup, and a newer one where it can be had."""
    programs: list[tuple[str | Path, ...]] = [(require_tool("cryptsetup"),)]
    with suppress(UnavailableError):
        programs.append(newer_cryptsetup_command())
    return {run_tool(*map(str, each), "--version").split()[1]: each for each in programs}


def compare_openings(
    figure: Figure, what: str, device: Path, key_file: Path, *, most: float, pairs: int
) -> None:
    """Rows of a whole `open --test-passphrase`, wall clock and processor, beside each cryptsetup."""
    options: list[str | Path] = ["open", "--test-passphrase", "--key-file", key_file, device]
    for version, program in cryptsetups().items():
        both = [(run([console_script(), *options]), run([*program, *options])) for _ in range(pairs)]
        for clock in ("seconds", "processor_seconds"):
            times = [(getattr(ours, clock), getattr(theirs, clock)) for ours, theirs in both]
            shown = (f"{median(column):.2f} s" for column in zip(*times, strict=True))
            ratio = median(ours / theirs for ours, theirs in times)
            name = "wall clock" if clock == "seconds" else "processor"
            figure(Row(f"{what}, {name} / cryptsetup {version}", *shown, ratio, most, at_most=True))
        ours_kib, peer_kib = (
            max(runs, key=lambda each: each.peak_kib).peak_kib for runs in zip(*both, strict=True)
        )
        peaks = f"{ours_kib / 1024:.0f} MiB", f"{peer_kib / 1024:.0f} MiB"
        if peer_kib > ARGON2_KIB:  # PBKDF2 has no memory to speak of
            figure(
                Row(f"{what}, peak memory / cryptsetup {version}", *peaks, ours_kib / peer_kib, 1.03, True)
            )


@pytest.mark.parametrize(
    ("what", "costs", "most"),
    [
        (
            "a passphrase, argon2id, 1 GiB, 4 passes, 4 lanes",
            ["--pbkdf", "argon2id", "--pbkdf-memory", "1048576", "--pbkdf-parallel", "4", *FORCED, "4"],
            0.40,
        ),
        ("a passphrase, LUKS1 as formatted by default", ["--type", "luks1"], 0.5),
    ],
    ids=["argon2id", "luks1"],
)
def test_a_passphrase_against_cryptsetup(
    benchmark: BenchmarkFixture,
    figure: Figure,
    timed: bool,
    tmp_path: Path,
    what: str,
    costs: list[str],
    most: float,
) -> None:
    path, key_file = tmp_path / "disk.img", tmp_path / "passphrase"
    key_file.write_bytes(PASSPHRASE)
    if not timed:
        costs = ["--type", "luks1", *FORCED, "1000"]
    format_with_cryptsetup(path, require_tool("cryptsetup"), *costs)
    options: list[str | Path] = ["open", "--test-passphrase", "--key-file", key_file, path]
    benchmark.pedantic(run, ([console_script(), *options],), rounds=1)
    compare_openings(figure, what, path, key_file, most=most, pairs=7 if timed else 1)
