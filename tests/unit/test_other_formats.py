"""BitLocker, FileVault2, TrueCrypt: recognised where that can be, never opened, no word about passphrases."""

from __future__ import annotations

from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.formats.recognise import recognised
from kdumpkey.storage.device import BytesReader
from tools import require_tool

FVE = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
FVE_USED_SPACE = bytes.fromhex("3b4da89280dd0e4d9e4eb1e3284eaed8")


def sector(*pieces: tuple[int, bytes], size: int = 4096) -> bytes:
    """Zeros, and these pieces where they belong."""
    made = bytearray(size)
    for at, piece in pieces:
        made[at : at + len(piece)] = piece
    return bytes(made)


BITLOCKER = {
    "fixed disk": sector((0, b"\xeb\x58\x90-FVE-FS-"), (160, FVE), (510, b"\x55\xaa")),
    "used space only": sector((0, b"\xeb\x58\x90-FVE-FS-"), (160, FVE_USED_SPACE), (510, b"\x55\xaa")),
    "to go": sector((0, b"\xeb\x58\x90MSWIN4.1"), (424, FVE), (510, b"\x55\xaa")),
}
FILEVAULT = sector((8, b"\x01\x00\x10\x00"), (88, b"CS\x01\x00"))
NOTHING = {
    "zeros": sector(),
    "a FAT file system": sector((0, b"\xeb\x58\x90MSWIN4.1"), (510, b"\x55\xaa")),
    "a name without its GUID": sector((0, b"\xeb\x58\x90-FVE-FS-")),
    "text at 88": sector((88, b"CS")),
    "ten bytes": bytes(10),
    "no byte": b"",
}


def opened(path: Path, kind: str) -> tuple[int, str]:
    done = ours(["open", "--type", kind, "--test-passphrase", path, "-d", "-"], b"passphrase")
    assert done.out == ""
    for claim in ("No key available", "No usable keyslot", "wrong"):
        assert claim not in done.err
    return done.code, done.err


@pytest.mark.parametrize("which", BITLOCKER)
def test_a_bitlocker_device_is_recognised_and_not_opened(tmp_path: Path, which: str) -> None:
    (path := tmp_path / "device").write_bytes(BITLOCKER[which])
    assert recognised(BytesReader(BITLOCKER[which])) == "bitlk"
    code, said = opened(path, "bitlk")
    assert code == 1
    assert f"Device {path} is a BitLocker device, which kdumpkey cannot open yet; cryptsetup" in said
    code, said = opened(path, "fvault2")
    assert (code, said) == (1, f"Device {path} is not a valid FVAULT2 device. It is a BitLocker device.\n")


def test_a_filevault_device_is_recognised_and_not_opened(tmp_path: Path) -> None:
    (path := tmp_path / "device").write_bytes(FILEVAULT)
    code, said = opened(path, "fvault2")
    assert code == 1
    assert "is a FileVault2 device, which kdumpkey cannot open yet; cryptsetup" in said


@pytest.mark.parametrize("which", NOTHING)
def test_what_has_no_signature_is_called_what_cryptsetup_calls_it(tmp_path: Path, which: str) -> None:
    (path := tmp_path / "device").write_bytes(NOTHING[which])
    assert recognised(BytesReader(NOTHING[which])) is None
    for kind in ("bitlk", "fvault2"):
        code, said = opened(path, kind)
        assert (code, said) == (1, f"Device {path} is not a valid {kind.upper()} device.\n")
    if which == "zeros":
        theirs = run([require_tool("cryptsetup"), "open", "--type", "bitlk", "--test-passphrase", path])
        assert (theirs.code, theirs.err) == (1, f"Device {path} is not a valid BITLK device.\n")


def test_a_truecrypt_volume_cannot_be_told_from_noise_and_that_is_said(tmp_path: Path) -> None:
    (path := tmp_path / "device").write_bytes(bytes((i * i * 31 + i // 7) & 0xFF for i in range(4096)))
    code, said = opened(path, "tcrypt")
    assert code == 1
    assert "cannot open TrueCrypt or VeraCrypt volumes yet" in said
    assert "cryptsetup and VeraCrypt open them" in said


@pytest.mark.parametrize("kind", ["bitlk", "tcrypt", "fvault2"])
def test_a_device_that_is_not_there_is_the_wrong_device(tmp_path: Path, kind: str) -> None:
    assert opened(tmp_path / "nothing", kind)[0] == 4
