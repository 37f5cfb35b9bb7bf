"""luksHeaderRestore and repair: a header comes back, and what it replaced is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from both import Result, ours, run
from quiet_keyslots import made_quiet
from tools import require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = ["--pbkdf-force-iterations", "1000", "--key-size", "256"]
KINDS = {
    "luks1": ["--type", "luks1", *CHEAP],
    "luks2": ["--type", "luks2", "--pbkdf", "pbkdf2", *CHEAP, "--offset", "4096"],
}


def formatted(path: Path, kind: str, passphrase: bytes) -> bytes:
    path.touch()
    os.truncate(path, 4 * MIB)
    command = [require_tool("cryptsetup"), "luksFormat", "-q", *KINDS[kind], path, "-d", "-"]
    assert run(command, passphrase).code == 0
    return path.read_bytes()


def opens(device: Path, passphrase: bytes) -> set[str]:
    words = ["open", "--test-passphrase", device, "--key-file", "-"]
    codes = {
        "kdumpkey": ours(words, passphrase),
        "cryptsetup": run([require_tool("cryptsetup"), *words], passphrase),
    }
    return {name for name, result in codes.items() if result.code == 0}


BOTH = {"kdumpkey", "cryptsetup"}


@pytest.fixture(params=KINDS)
def backed_up(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, str]:
    """A device with the passphrase ``new``, a backup of the header that it had with ``old``, and its kind."""
    device, backup = tmp_path / "device", tmp_path / "backup"
    formatted(device, request.param, b"old")
    assert ours(["luksHeaderBackup", device, "--header-backup-file", backup]).code == 0
    formatted(device, request.param, b"new")
    return device, backup, request.param


def restore(device: Path, backup: Path) -> Result:
    return ours(["luksHeaderRestore", "-q", device, "--header-backup-file", backup])


def test_the_old_header_opens_again_and_the_new_one_is_kept(backed_up: tuple[Path, Path, str]) -> None:
    device, backup, _ = backed_up
    assert restore(device, backup) == Result(0, "", "")
    assert opens(device, b"old") == BOTH
    assert opens(device, b"new") == set()
    (kept,) = backup.parent.glob("backup.replaced-*")
    assert opens(kept, b"new") == BOTH
    assert restore(device, kept).code == 0
    assert opens(device, b"new") == BOTH


def test_cryptsetup_comes_to_the_same(backed_up: tuple[Path, Path, str]) -> None:
    device, backup, _ = backed_up
    before = device.read_bytes()
    assert restore(device, backup).code == 0
    mine = ours(["luksDump", device]).out
    device.write_bytes(before)
    line = ["luksHeaderRestore", "-q", device, "--header-backup-file", backup]
    assert run([require_tool("cryptsetup"), *line]).code == 0
    assert ours(["luksDump", device]).out == mine


def test_a_blank_device_gets_the_header(backed_up: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, backup, _ = backed_up
    blank = tmp_path / "blank"
    blank.write_bytes(bytes(4 * MIB))
    assert restore(blank, backup) == Result(0, "", "")
    assert opens(blank, b"old") == BOTH
    assert list(tmp_path.glob("backup.replaced-*")) == []


def test_what_is_no_backup_is_refused_and_the_device_stays(
    backed_up: tuple[Path, Path, str], tmp_path: Path
) -> None:
    device, backup, _ = backed_up
    before = device.read_bytes()
    (tmp_path / "short").write_bytes(backup.read_bytes()[:100_000])
    (tmp_path / "text").write_text("no header")
    for name in ("short", "text", "missing"):
        result = restore(device, tmp_path / name)
        assert result.code == 1
        assert result.err.endswith("Header backup file does not contain compatible LUKS header.\n")
    assert ours(["luksHeaderRestore", "-q", device]).err == "Option --header-backup-file is required.\n"
    assert restore(tmp_path / "nothing", backup).code == 4
    assert device.read_bytes() == before


def test_a_backup_of_other_data_is_refused(tmp_path: Path) -> None:
    device, other, backup = tmp_path / "device", tmp_path / "other", tmp_path / "backup"
    before = formatted(device, "luks2", b"old")
    other.touch()
    os.truncate(other, 20 * MIB)
    line = ["luksFormat", "-q", "--pbkdf", "pbkdf2", *CHEAP, other, "-d", "-"]
    assert run([require_tool("cryptsetup"), *line], b"x").code == 0
    assert ours(["luksHeaderBackup", other, "--header-backup-file", backup]).code == 0
    result = restore(device, backup)
    assert result == Result(1, "", "Data offset or key size differs on device and backup, restore failed.\n")
    assert device.read_bytes() == before


def test_repair_rewrites_a_damaged_copy(tmp_path: Path) -> None:
    device = tmp_path / "device"
    whole = made_quiet(device, lambda: formatted(device, "luks2", b"x"))
    assert (
        ours(["repair", "-v", device]).out
        == "No known problems detected for LUKS header.\nCommand successful.\n"
    )
    assert device.read_bytes() == whole
    for offset in (300, 16384 + 300):
        damaged = bytearray(whole)
        damaged[offset] ^= 0xFF
        device.write_bytes(damaged)
        assert ours(["repair", "-q", device]) == Result(0, "", "")
        assert opens(device, b"x") == BOTH
        for copy in (0, 16384):
            alone = bytearray(device.read_bytes())
            alone[16384 - copy + 300] ^= 0xFF
            (tmp_path / "alone").write_bytes(alone)
            assert "kdumpkey" in opens(tmp_path / "alone", b"x")
    assert ours(["repair", "-q", tmp_path / "none"]).code == 4
