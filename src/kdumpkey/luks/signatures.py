"""What else may live on a device that has one good LUKS2 header left: the signatures that libblkid finds.

A device that was given to something else must not be taken for a LUKS device for the other header's sake.
Magic numbers and the checks that go with them are those of the formats' own documents, as deep as libblkid
looks; signatures that it does not know are not looked for here either.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kdumpkey.storage.device import Reader


class _Magic(NamedTuple):
    name: str
    offset: int  # from the end where negative
    magic: bytes


# The bytes alone are enough.
_MAGICS = (
    _Magic("ext2/3/4", 1024 + 56, b"\x53\xef"),
    _Magic("btrfs", 0x10040, b"_BHRfS_M"),
    _Magic("iso9660", 0x8001, b"CD001"),
    _Magic("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    _Magic("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    _Magic("squashfs", 0, b"hsqs"),
    _Magic("squashfs", 0, b"sqsh"),
    _Magic("cramfs", 0, b"\x45\x3d\xcd\x28"),
    _Magic("cramfs", 0, b"\x28\xcd\x3d\x45"),
    _Magic("romfs", 0, b"-rom1fs-"),
    _Magic("ocfs2", 1024, b"OCFSV2"),
    _Magic("ocfs2", 2048, b"OCFSV2"),
    _Magic("ocfs2", 4096, b"OCFSV2"),
    _Magic("dm-integrity", 0, b"integrt\0"),
    _Magic("VDO", 0, b"dmvdo001"),
    _Magic("BlueStore", 0, b"bluestore block device"),
    _Magic("VMFS", 0x200000, b"\x5e\xf1\xab\x2f"),
    _Magic("VMFS volume", 0x100000, b"\x0d\xd0\x01\xc0"),
    _Magic("Intel RAID", -1024, b"Intel Raid ISM Cfg Sig. "),
    _Magic("suspended system", 0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
    _Magic("DRBD", -4096 + 0x3C, b"\x83\x74\x02\x6b"),
)
PARTITION_TABLE = "a partition table"
_SECTOR = 512
# Nobody makes RAIDs or volume groups of floppies, so these are not looked for on devices of their size.
_FLOPPY = 1440 * 1024
_VOLUME_MANAGERS = frozenset({"LVM2", "Linux RAID", "Intel RAID", "DRBD", "VMFS volume"})
_PAGES = (4096, 8192, 16384, 32768, 65536)
_SUSPENDED = (b"S1SUSPEND", b"S2SUSPEND", b"ULSUSPEND", b"LINHIB0001")
_MD_MAGIC = 0xA92B4EFC
_FAT_MAGICS = (
    (0x52, b"MSWIN"),
    (0x52, b"FAT32   "),
    (0x36, b"MSDOS"),
    (0x36, b"FAT16   "),
    (0x36, b"FAT12   "),
    (0x36, b"FAT     "),
)


def foreign_signature(reader: Reader) -> str:
    """Return the name of a signature on the device that is not LUKS's, or nothing.

    Raises:
        DeviceError: The device cannot be read.
    """
    tiny = reader.size <= _FLOPPY
    for name, offset, magic in _MAGICS:
        if tiny and name in _VOLUME_MANAGERS:
            continue
        if _at(reader, offset if offset >= 0 else reader.size + offset, len(magic)) == magic:
            return name
    probes = (probe for probe in _PROBES.items() if not (tiny and probe[0] in _VOLUME_MANAGERS))
    return next((name for name, probe in probes if probe(reader)), "")


def _at(reader: Reader, offset: int, length: int) -> bytes:
    """Bytes of the device, or zeros where it does not reach."""
    buffer = bytearray(length)
    if offset >= 0 and offset + length <= reader.size:
        reader.pread_into(buffer, offset)
    return bytes(buffer)


def _is_swap(reader: Reader) -> bool:
    header = _at(reader, 1024, 8)
    valid = any(
        version == 1 and last_page
        for version, last_page in (struct.unpack("<II", header), struct.unpack(">II", header))
    )
    for page in _PAGES:
        magic = _at(reader, page - 10, 10)
        if magic == b"SWAP-SPACE" or magic.startswith(_SUSPENDED) or (magic == b"SWAPSPACE2" and valid):
            return True
    return False


def _is_fat(reader: Reader) -> bool:
    block = _at(reader, 0, _SECTOR)
    if not any(block.startswith(magic, offset) for offset, magic in _FAT_MAGICS):
        return False
    sector_size, cluster, reserved, fats = struct.unpack_from("<HBHB", block, 11)
    powers = (512, 1024, 2048, 4096)
    return bool(
        sector_size in powers
        and cluster
        and not cluster & (cluster - 1)
        and reserved
        and fats
        and _is_media(block)
    )


def _is_media(block: bytes) -> bool:
    return block[21] >= 0xF8 or block[21] == 0xF0


def _is_exfat(reader: Reader) -> bool:
    block = _at(reader, 0, _SECTOR)
    # The two shifts make the cluster's size, of 32 bits.
    return block[3:11] == b"EXFAT   " and block[108] + block[109] < 32


def _is_ntfs(reader: Reader) -> bool:
    block = _at(reader, 0, _SECTOR)
    if block[3:11] != b"NTFS    ":
        return False
    sector_size, cluster = struct.unpack_from("<HB", block, 11)
    unused = struct.unpack_from("<HBHH", block, 14) + struct.unpack_from("<H", block, 22)
    unused += struct.unpack_from("<I", block, 32)
    if sector_size not in (256, 512, 1024, 2048, 4096) or not cluster or any(unused):
        return False
    if not _is_media(block):
        return False
    table = struct.unpack_from("<Q", block, 48)[0] * sector_size * cluster
    return _at(reader, table, 4) == b"FILE"


def _is_xfs(reader: Reader) -> bool:
    block = _at(reader, 0, _SECTOR)
    if block[:4] != b"XFSB":
        return False
    (block_size,) = struct.unpack_from(">I", block, 4)
    ag_blocks, ag_count = struct.unpack_from(">II", block, 84)
    (sector_size, inode_size) = struct.unpack_from(">HH", block, 102)
    return (
        512 <= block_size <= 65536
        and not block_size & (block_size - 1)
        and 512 <= sector_size <= 32768
        and not sector_size & (sector_size - 1)
        and 256 <= inode_size <= 2048
        and ag_blocks > 0
        and ag_count > 0
    )


def _is_jfs(reader: Reader) -> bool:
    block = _at(reader, 0x8000, 64)
    block_size, block_shift = struct.unpack_from("<IH", block, 16)
    sector_size, sector_shift = struct.unpack_from("<IH", block, 24)
    return (
        block.startswith(b"JFS1")
        and block_shift < 32
        and sector_shift < 32
        and block_size == 1 << block_shift
        and sector_size == 1 << sector_shift
    )


def _is_reiserfs(reader: Reader) -> bool:
    block = _at(reader, 0x10000, 64)
    if not block[0x34:].startswith((b"ReIsErFs", b"ReIsEr2Fs", b"ReIsEr3Fs")):
        return False
    (journal,) = struct.unpack_from("<I", block, 12)
    (block_size,) = struct.unpack_from("<H", block, 44)
    # A superblock behind the journal's start is a copy in the journal of another filesystem.
    return block_size >= 1024 and bool(64 // (block_size >> 10) <= journal // 2)


def _is_lvm2(reader: Reader) -> bool:
    for sector in range(4):
        block = _at(reader, sector * _SECTOR, _SECTOR)
        if block.startswith(b"LABELONE") and block[24:32] == b"LVM2 001":
            number, expected = struct.unpack_from("<QI", block, 8)
            # LVM2's CRC is the common one with its own start value and no final inversion.
            if number == sector and zlib.crc32(block[20:], 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF == expected:
                return True
    return False


def _is_md(reader: Reader) -> bool:
    sectors = reader.size // _SECTOR
    old = (reader.size & ~0xFFFF) - 0x10000
    for order in "<>":
        if struct.unpack(f"{order}I", _at(reader, old, 4))[0] == _MD_MAGIC:
            return True
    for start in (0, 8, (sectors - 16) & ~7):
        block = _at(reader, start * _SECTOR, 256)
        magic, major = struct.unpack_from("<II", block)
        if magic == _MD_MAGIC and major == 1 and struct.unpack_from("<Q", block, 144)[0] == start:
            return True
    return False


def _is_bcache(reader: Reader) -> bool:
    block = _at(reader, 4096, 40)
    return block[24:40] == bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81") and block[8:16] == struct.pack(
        "<Q", 8
    )


def _is_partitioned(reader: Reader) -> bool:
    block = _at(reader, 0, _SECTOR)
    entries = [block[446 + 16 * i : 462 + 16 * i] for i in range(4)]
    if block[510:] == b"\x55\xaa" and (
        all(entry[0] in (0, 0x80) for entry in entries)
        or any(entry[4] == 0xEE for entry in entries)  # the MBR before a GPT
    ):
        return True
    if block.startswith(b"ER") and _at(reader, _SECTOR, 2) in (b"PM", b"TS"):  # Apple
        return True
    return block.startswith(b"\xc9\xc2\xd4\xc1")  # AIX


def table_kind(reader: Reader) -> str:
    """Return what blkid calls the partition table of a device that has one: ``dos`` or ``gpt``.

    Raises:
        DeviceError: The device cannot be read.
    """
    return "gpt" if _at(reader, _SECTOR, 8) == b"EFI PART" else "dos"


_PROBES: dict[str, Callable[[Reader], bool]] = {
    "swap": _is_swap,
    "FAT": _is_fat,
    "exFAT": _is_exfat,
    "NTFS": _is_ntfs,
    "XFS": _is_xfs,
    "JFS": _is_jfs,
    "reiserfs": _is_reiserfs,
    "LVM2": _is_lvm2,
    "Linux RAID": _is_md,
    "bcache": _is_bcache,
    PARTITION_TABLE: _is_partitioned,  # the last: everything else counts for more
}
