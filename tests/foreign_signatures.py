"""The first bytes of what else lives on devices, made by hand from the formats' documents."""

from __future__ import annotations

import struct
import zlib

SIZE = 20 << 20
Edits = list[tuple[int, bytes]]


def _lvm2(*, good: bool = True) -> bytes:
    tail = struct.pack("<I", 32) + b"LVM2 001" + b"A" * 32
    tail = tail.ljust(512 - 20, b"\0")
    crc = zlib.crc32(tail, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    return b"LABELONE" + struct.pack("<QI", 1, crc if good else crc ^ 1) + tail


def _xfs() -> bytes:
    block = bytearray(512)
    struct.pack_into(">4sIQQQ16s", block, 0, b"XFSB", 4096, 4096, 0, 0, b"u" * 16)
    struct.pack_into(">QQQQIIIII", block, 48, 4100, 128, 129, 130, 1, 1024, 4, 0, 855)
    struct.pack_into(">HHHH", block, 100, 0xB4A5, 512, 512, 8)
    struct.pack_into(">8B", block, 120, 12, 9, 9, 3, 10, 0, 0, 25)
    return bytes(block)


def _fat() -> bytes:
    block = bytearray(512)
    block[:11] = b"\xeb\x3c\x90mkfs.fat"
    struct.pack_into("<HBHBHHBHHHII", block, 11, 512, 4, 1, 2, 512, 40960, 0xF8, 40, 32, 64, 0, 0)
    block[0x36:0x3E] = b"FAT16   "
    block[510:] = b"\x55\xaa"
    return bytes(block)


def _partition(kind: int, boot: int = 0) -> bytes:
    return struct.pack("<8BII", boot, 0, 2, 0, kind, 0, 0, 0, 2048, 8192)


_MD = struct.pack("<II", 0xA92B4EFC, 1) + bytes(8) + b"u" * 16
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")

FOREIGN: dict[str, Edits] = {
    "ext": [(1024 + 56, b"\x53\xef")],
    "xfs": [(0, _xfs())],
    "btrfs": [(0x10040, b"_BHRfS_M")],
    "swap": [(4086, b"SWAPSPACE2"), (1024, struct.pack("<II", 1, 1000))],
    "swap, 8 KiB pages": [(8182, b"SWAPSPACE2"), (1024, struct.pack("<II", 1, 1000))],
    "old swap": [(4086, b"SWAP-SPACE")],
    "suspended": [(4086, b"S1SUSPEND\0"), (1024, struct.pack("<II", 1, 1000))],
    "fat": [(0, _fat())],
    "exfat": [(3, b"EXFAT   ")],
    "iso9660": [(0x8000, b"\x01CD001\x01\0")],
    "LVM2": [(512, _lvm2())],
    "md 1.2": [(4096, _MD), (4096 + 144, struct.pack("<Q", 8))],
    "md 0.90": [(SIZE - 65536, struct.pack("<IIII", 0xA92B4EFC, 0, 90, 0))],
    "Intel RAID": [(SIZE - 1024, b"Intel Raid ISM Cfg Sig. 1.0.00")],
    "DRBD": [(SIZE - 4096 + 0x3C, b"\x83\x74\x02\x6b")],
    "MBR": [(446, _partition(0x83)), (510, b"\x55\xaa")],
    "empty MBR": [(510, b"\x55\xaa")],
    "protective MBR": [(446, _partition(0xEE)), (510, b"\x55\xaa"), (512, b"EFI PART")],
    "squashfs": [(0, b"hsqs" + bytes(24) + struct.pack("<HH", 4, 0))],
    "f2fs": [(1024, b"\x10\x20\xf5\xf2")],
    "erofs": [(1024, b"\xe2\xe1\xf5\xe0")],
    "reiserfs": [(0x1000C, struct.pack("<I", 8211)), (0x1002C, b"\0\x10"), (0x10034, b"ReIsEr2Fs")],
    "bcache": [(4096, bytes(8) + struct.pack("<QQ", 8, 3) + _BCACHE + b"u" * 16)],
    "dm-integrity": [(0, b"integrt\0\x02")],
    "VDO": [(0, b"dmvdo001")],
    "VMFS": [(0x200000, b"\x5e\xf1\xab\x2f")],
}

# What looks like something and is not: nothing to keep a device from being taken for LUKS.
HARMLESS: dict[str, Edits] = {
    "zeros": [],
    "text": [(0, b"0123456789" * 100)],
    "XFS magic alone": [(0, b"XFSB")],
    "LVM2 label alone": [(512, b"LABELONE")],
    "LVM2 with a wrong checksum": [(512, _lvm2(good=False))],
    "swap magic alone": [(4086, b"SWAPSPACE2")],
    "swap of another version": [(4086, b"SWAPSPACE2"), (1024, struct.pack("<II", 2, 1000))],
    "md magic alone": [(4096, struct.pack("<II", 0xA92B4EFC, 1))],
    "reiserfs magic alone": [(0x10034, b"ReIsEr2Fs")],
    "exfat with impossible clusters": [(3, b"EXFAT   "), (108, b"ss")],
    "NTFS magic alone": [(3, b"NTFS    ")],
    "JFS magic alone": [(0x8000, b"JFS1")],
    "MBR with impossible boot flags": [(446, _partition(0x83, boot=0x12)), (510, b"\x55\xaa")],
}
