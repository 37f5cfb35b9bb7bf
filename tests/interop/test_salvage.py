"""Both binary headers gone, a JSON area and the keyslots whole: read, said so, and never written back."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

import kdumpkey
from both import Result, ours, run
from kdumpkey.errors import HeaderError
from noise import noise
from tools import require_tool

MIB = 1 << 20
COST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
PLAIN = bytes(range(256)) * 256


def made(folder: Path, metadata_size: int = 16384) -> bytes:
    """A device that ``pass`` opens, with `PLAIN` at the beginning of its data."""
    device, plain, key = folder / "made", folder / "plain", folder / "key"
    device.write_bytes(bytes(18 * MIB))
    plain.write_bytes(PLAIN)
    key.write_text("pass")
    words = ["--luks2-metadata-size", str(metadata_size), "-s", "256", *COST, device, key]
    assert run([require_tool("cryptsetup"), "luksFormat", "-q", "--type", "luks2", *words]).code == 0
    assert ours(["encrypt", "-q", plain, device, "-d", key]).code == 0
    return device.read_bytes()


def over(image: bytes, *changes: tuple[int, bytes]) -> bytes:
    whole = bytearray(image)
    for offset, content in changes:
        whole[offset : offset + len(content)] = content
    return bytes(whole)


GPT = (440, bytes(10) + b"\xee".ljust(60, b"\1") + b"\x55\xaa" + b"EFI PART" + bytes(16888))
DAMAGE: dict[str, tuple[int, list[tuple[int, bytes]], bool]] = {
    "a GPT": (16384, [GPT], True),
    "the first sectors zeroed": (16384, [(0, bytes(17408))], False),
    "both binary headers zeroed": (16384, [(0, bytes(4096)), (16384, bytes(4096))], False),
    "a byte of each copy": (16384, [(300, b"x"), (16384 + 300, b"y")], True),
    "other metadata sizes": (65536, [(0, bytes(20000)), (65536 + 70, b"zzz")], True),
    "the largest metadata": (4 * MIB, [(0, bytes(MIB)), (4 * MIB, bytes(512))], False),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_left_is_read_and_written_to_a_detached_header_only(tmp_path: Path, name: str) -> None:
    size, changes, named = DAMAGE[name]
    whole = made(tmp_path, size)
    uuid = ours(["luksUUID", tmp_path / "made"]).out.strip()
    device, key, out, saved = (tmp_path / each for each in ("device", "key", "out", "saved"))
    damaged = over(whole, *changes)
    device.write_bytes(damaged)
    assert run([require_tool("cryptsetup"), "luksDump", device]).code == 1
    device.write_bytes(damaged)
    for words, code in (
        (["luksDump", device], 1),  # shown, and yet not a valid device: scripts ask by the exit code
        (["unlock", device, "-d", key, "--to", out, "--length", str(len(PLAIN))], 0),
    ):
        done = ours(words)
        assert done.code == code, done
        assert "Both LUKS2 headers of" in done.err
        assert ("is what is left" if named else "Lost: the UUID") in done.err
    assert out.read_bytes() == PLAIN
    assert ours(["luksDump", device]).out.startswith("LUKS header information\nVersion:       \t2\n")
    assert ours(["isLuks", device]) == Result(1, "", "")
    refusal = f"Device {device} is not a valid LUKS device.\n"
    for refused in (
        ["open", "--test-passphrase", device, "-d", key],
        ["luksDump", "-q", "--dump-volume-key", device, "-d", key],
    ):
        done = ours(refused)
        assert (done.code, done.out) == (1, ""), done
        assert done.err.endswith(f"--header-backup-file FILE makes a detached header of them.\n{refusal}")
        assert f"kdumpkey unlock {device} reads them" in done.err
    for refused in (
        ["repair", "-q", device],
        ["encrypt", "-q", tmp_path / "plain", device, "-d", key],
        ["config", device, "--label", "x"],
        ["erase", "-q", device],
    ):
        assert ours(refused).code == 1
    assert ours(["repair", "-q", device, "--header-backup-file", saved]).code == 0
    assert device.read_bytes() == damaged
    assert saved.stat().st_mode & 0o777 == 0o600
    detached = ["--header", saved, "-d", key]
    assert run([require_tool("cryptsetup"), "open", "--test-passphrase", device, *detached]).code == 0
    again = ours(["unlock", device, *detached, "--to", tmp_path / "again", "--length", str(len(PLAIN))])
    assert again == Result(0, "", "")
    assert (tmp_path / "again").read_bytes() == PLAIN
    assert ours(["luksUUID", saved]).out.strip() == (uuid if named else "")
    before = saved.read_bytes()
    assert ours(["repair", "-q", device, "--header-backup-file", saved]).code == 1
    assert saved.read_bytes() == before


def test_python_reads_what_is_left_where_it_asks_to(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(over(made(tmp_path), (0, bytes(17408))))
    with pytest.raises(HeaderError):
        kdumpkey.open_luks(device)
    with pytest.raises(HeaderError):
        kdumpkey.open_luks(device, writable=True, salvage=True)
    with kdumpkey.open_luks(device, salvage=True) as luks, luks.unlock(b"pass") as opened:
        assert luks.losses
        content = bytearray(len(PLAIN))
        with luks.volume(opened.volume_key) as volume:
            volume.read_into(content, 0)
    assert content == PLAIN


def test_nothing_is_salvaged_from_what_is_not_valid(tmp_path: Path) -> None:
    device, whole = tmp_path / "device", made(tmp_path)
    both: list[tuple[int, Any]] = [(0, bytes(4096)), (16384, bytes(4096))]
    for more in ([(4096, b"x"), (20480, b"x")], [(16000, b"x"), (32000, b"x")]):
        device.write_bytes(over(whole, *both, *more))
        assert ours(["luksDump", device]).code == 1
    device.write_bytes(whole[:300] + b"x" + whole[301:16896])  # it ends within the secondary header
    assert ours(["luksDump", device]).code == 1
    device.write_bytes(noise(MIB))
    assert ours(["repair", "-q", device]) == Result(1, "", f"Device {device} is not a valid LUKS device.\n")


def gpt_copy(image: bytes, sector: int) -> tuple[int, bytes]:
    """The copy of a GPT of 128 entries at the end of a device with sectors of that many bytes."""
    entries = b"\1".ljust(128, b"\1") + bytes(127 * 128)
    last = len(image) // sector - 1
    first = last - len(entries) // sector
    fields = (b"EFI PART", 0x10000, 92, 0, 0, last, 1, 34, first - 1, bytes(16), first, 128, 128)
    layout = struct.Struct("<8sIIIIQQQQ16sQIII")
    header = layout.pack(*fields, zlib.crc32(entries))
    header = layout.pack(*fields[:3], zlib.crc32(header), *fields[4:], zlib.crc32(entries))
    return first * sector, entries + header.ljust(sector, b"\0")


@pytest.mark.parametrize("sector", [512, 4096])
def test_the_data_under_a_gpts_backup_are_named_as_lost(tmp_path: Path, sector: int) -> None:
    whole, (device, key, saved) = made(tmp_path), (tmp_path / each for each in ("device", "key", "saved"))
    copy = gpt_copy(whole, sector)
    device.write_bytes(over(whole, GPT, copy))
    lost = f"Lost: {len(copy[1])} bytes of the data from byte {copy[0]} of {device} on, "
    lost += "where the GPT's backup is."
    for words in (
        ["unlock", device, "-d", key],
        ["luksDump", device],
        ["repair", "-q", device, "--header-backup-file", saved],
    ):
        assert lost in ours(words).err.splitlines()
    end = bytearray(device.read_bytes())
    end[-1 - sector // 2] ^= 1  # in the header's sector, behind what its checksum is of
    device.write_bytes(end)
    assert lost in ours(["unlock", device, "-d", key]).err.splitlines()
    end[-sector + 24] ^= 1
    device.write_bytes(end)
    assert "GPT's backup" not in ours(["unlock", device, "-d", key]).err
