"""LUKS that is inside something else is named with where it is and what to type; isLuks stays silent."""

from __future__ import annotations

import shlex
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from both import Result, ours
from kdumpkey.storage.containers import container_of
from kdumpkey.storage.device import BytesReader
from kdumpkey.storage.partitions import partitions
from noise import noise
from tools import require_tool

MIB = 1 << 20
COST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


@pytest.fixture(scope="module")
def luks(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A LUKS1 device of 3 MiB that ``pass`` opens."""
    device = tmp_path_factory.mktemp("luks") / "device"
    device.write_bytes(bytes(3 * MIB))
    words = ["luksFormat", "-q", "--type", "luks1", "-s", "256", *COST, device, "-d", "-"]
    assert ours(words, b"pass").code == 0
    return device.read_bytes()


def mbr(*entries: tuple[int, int, int]) -> bytes:
    table = b"".join(struct.pack("<4xB3xII", kind, start, count) for kind, start, count in entries)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt(sector: int, first: int, last: int, sectors: int) -> bytes:
    """A protective MBR and a primary GPT with one partition, the third, from one sector to another."""
    entry = b"T" * 16 + b"U" * 16 + struct.pack("<QQQ", first, last, 0) + bytes(72)
    table = (bytes(256) + entry).ljust(128 * 128, b"\0")
    fields = (1, sectors - 1, 6, sectors - 7, b"D" * 16, 2, 128, 128, zlib.crc32(table))
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *fields)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    return mbr((0xEE, 1, sectors - 1)).ljust(sector, b"\0") + header.ljust(sector, b"\0") + table


def disk_with(head: bytes, luks: bytes, offset: int = MIB) -> bytes:
    return head.ljust(offset, b"\0") + luks + bytes(MIB)


DISKS = {
    "MBR": (mbr((0x83, 64, 8), (0x83, 2048, 6144)), 2, 6144 * 512),
    "a logical partition": (
        mbr((0x05, 1024, 8192)).ljust(1024 * 512, b"\0") + mbr((0x83, 1024, 6144)),
        5,
        6144 * 512,
    ),
    "GPT of 512-byte sectors": (gpt(512, 2048, 8191, 10240), 3, 6144 * 512),
    "GPT of 4096-byte sectors": (gpt(4096, 256, 1023, 1280), 3, 768 * 4096),
}


@pytest.mark.parametrize("name", DISKS)
def test_a_partition_that_holds_luks_is_named_and_the_line_to_type_works(
    tmp_path: Path, luks: bytes, name: str
) -> None:
    head, number, size = DISKS[name]
    disk, copy = tmp_path / "a disk", tmp_path / "copy"
    disk.write_bytes(disk_with(head, luks))
    for words in (["luksDump", disk], ["unlock", disk, "-d", "-"], ["open", "--test-passphrase", disk]):
        done = ours(words, b"pass")
        assert done.code == 1
        assert f"Partition {number} of {disk} holds LUKS: {size} bytes from byte {MIB} on.\n" in done.err
        assert f"--offset {MIB} --sizelimit {size} '{disk}'\n" in done.err
        assert done.err.endswith(f"Device {disk} is not a valid LUKS device.\n")
    (line,) = [each for each in done.err.splitlines() if "dd if=" in each]
    command = line.removeprefix("or copy it: ").replace(
        f"of=partition{number}.img", f"of={shlex.quote(str(copy))}"
    )
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert ours(["unlock", copy, "-d", "-"], b"pass").code == 0
    assert ours(["isLuks", disk]) == Result(1, "", "")


def test_a_table_that_lies_ends_the_search() -> None:
    loop = mbr((0x05, 1, 8192)) + mbr((0x83, 1, 1), (0x05, 0, 1))
    for content in (
        loop + bytes(4096),
        mbr((0x83, 0xFFFFFFFF, 0xFFFFFFFF)),
        gpt(512, 5, 4, 10240),
        gpt(512, 1 << 62, 1 << 63, 10240),
        bytes(510) + b"\x55\xaa",
        b"",
        gpt(512, 2048, 8191, 10240)[:1024],
    ):
        assert len(partitions(BytesReader(content))) <= 1
    spoilt = bytearray(gpt(512, 2048, 8191, 10240))
    spoilt[1024 + 300] ^= 1
    assert partitions(BytesReader(spoilt)) == ()


CONTAINERS = {
    "qcow2": (b"QFI\xfb\0\0\0\x03", "--format=qcow2"),
    "VMDK": (b"KDMV\x01\0\0\0", "--format=vmdk"),
    "VHDX": (b"vhdxfile", "--format=vhdx"),
    "VDI": (
        b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe",
        "--format=vdi",
    ),
    "VHD": (b"conectix", "--format=vpc"),
    "E01": (b"EVF\x09\x0d\x0a\xff\x00", "ewfmount"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_disk_image_in_a_container_is_named_with_what_reads_it(tmp_path: Path, name: str) -> None:
    magic, command = CONTAINERS[name]
    image = tmp_path / "image"
    image.write_bytes(magic.ljust(65536, b"\0"))
    done = ours(["luksDump", image])
    assert done.code == 1
    assert f"{image} is a disk image in the {name} format.\n" in done.err
    assert command in done.err
    assert done.err.endswith(f"Device {image} is not a valid LUKS device.\n")
    assert ours(["isLuks", image]) == Result(1, "", "")


def test_a_fixed_vhd_is_known_by_its_footer() -> None:
    found = container_of(BytesReader(bytes(4096) + b"conectix".ljust(512, b"\0")))
    assert found is not None
    assert found.name == "VHD"


def test_what_is_nothing_of_all_that_gets_no_hint(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(noise(4096))
    assert ours(["luksDump", path]) == Result(1, "", f"Device {path} is not a valid LUKS device.\n")


def test_what_qemu_makes_is_known(tmp_path: Path) -> None:
    tool = require_tool("qemu-img")
    for kind, name in (
        ("qcow2", "qcow2"),
        ("vmdk", "VMDK"),
        ("vhdx", "VHDX"),
        ("vdi", "VDI"),
        ("vpc", "VHD"),
    ):
        path = tmp_path / kind
        subprocess.run([tool, "create", "-q", "-f", kind, path, "16M"], check=True)
        assert f"in the {name} format" in ours(["luksDump", path]).err
