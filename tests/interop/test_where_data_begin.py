"""luksFormat: where the data begin, with --offset and --align-payload, is where cryptsetup has them begin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.luks import layout
from tools import require_tool

MIB = 1 << 20
COST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
SMALL = (0, 1, 8, 100, 2048, 4095, 4096, 4097, 8192, 32776, 65536)
HUGE = (1 << 20, 1 << 30, (1 << 32) - 8)  # sectors: half a GiB, half a TiB, all that LUKS1 can say
LARGEST_HEADER = 2 * 16384 + 128 * MIB


def cases() -> list[tuple[str, bool, tuple[str, ...]]]:
    found = []
    for kind in ("luks1", "luks2"):
        for detached in (False, True):
            more = [[], ["--luks2-keyslots-size", "1M"]] if kind == "luks2" else [[], ["-s", "256"]]
            for each in more:
                for option in ("--align-payload", "--offset"):
                    # Before data that begin far off, cryptsetup 2.6 fills an attached file to its end.
                    for value in (*SMALL, *(HUGE if detached else ())):
                        if option == "--offset" and "--luks2-keyslots-size" in each:
                            continue  # docs/differences.md
                        found.append((kind, detached, (option, str(value), *each)))
    return found


def formatted(
    folder: Path, program: Callable[[list[str | Path]], Result], case: tuple[str, bool, tuple[str, ...]]
) -> tuple[int, object]:
    """The exit code, and where the new header says that its data begin and how large its areas are."""
    kind, detached, options = case
    device, header = folder / "device", folder / "header"
    for path in (device, header):
        path.unlink(missing_ok=True)
    device.touch()
    os.truncate(device, 40 * MIB)
    words: list[str | Path] = ["luksFormat", "-q", "--type", kind, *COST, *options, device, folder / "key"]
    if detached:
        words += ["--header", header]
    done = program(words)
    if done.code:
        return done.code, None
    target = header if detached else device
    assert target.stat().st_size <= LARGEST_HEADER or program is not ours
    with target.open("rb") as file:
        block = file.read(16384)
    if kind == "luks1":
        return 0, layout.unpack_luks1(block)[0].payload_offset
    metadata = json.loads(block[4096:].partition(b"\0")[0])
    segment = metadata["segments"]["0"]
    return 0, (segment["offset"], segment["sector_size"], metadata["config"])


@pytest.mark.parametrize("kind", ["luks1", "luks2"])
@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
def test_offset_and_alignment_come_to_cryptsetups_numbers(
    tmp_path: Path, newer_cryptsetup: Path, kind: str, detached: bool
) -> None:
    (tmp_path / "key").write_text("pass")

    def newer(words: list[str | Path]) -> Result:
        return run([newer_cryptsetup, *words])

    def older(words: list[str | Path]) -> Result:
        return run([require_tool("cryptsetup"), *words])

    for case in cases():
        if case[:2] != (kind, detached):
            continue
        mine = formatted(tmp_path, ours, case)
        assert mine in (formatted(tmp_path, newer, case), formatted(tmp_path, older, case)), case


@pytest.mark.parametrize(
    ("kind", "sectors", "offset"), [("luks2", 8192, 4194304), ("luks1", 4096, 4096 * 512)]
)
def test_of_a_detached_header_the_alignment_is_where_the_data_begin(
    tmp_path: Path, kind: str, sectors: int, offset: int
) -> None:
    (tmp_path / "key").write_text("pass")
    code, where = formatted(tmp_path, ours, (kind, True, ("--align-payload", str(sectors))))
    assert code == 0
    assert (where * 512 if isinstance(where, int) else int(where[0])) == offset  # type: ignore[index]
    assert formatted(tmp_path, ours, (kind, True, ("--align-payload", "1"))) == (1, None)


@pytest.mark.parametrize("kind", ["luks1", "luks2"])
def test_a_huge_offset_makes_no_huge_header_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "key").write_text("pass")
    assert formatted(tmp_path, ours, (kind, True, ("--offset", str(1 << 31))))[0] == 0
    assert (tmp_path / "header").stat().st_size <= LARGEST_HEADER
    assert ours(["open", "--test-passphrase", tmp_path / "header", "-d", tmp_path / "key"]).code == 0


def test_an_offset_that_luks1_cannot_say_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pass")
    assert formatted(tmp_path, ours, ("luks1", True, ("--offset", str(1 << 32)))) == (1, None)
