"""The partitions of a whole disk, by its MBR or GPT, read strictly and within bounds.

Source: the UEFI specification 2.10, chapter 5; a GPT is found with sectors of 512 and of 4096 bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.storage.device import Reader

SECTOR_SIZES: Final = (512, 4096)
_MBR_SIZE: Final = 512
_BOOT_SIGNATURE: Final = b"\x55\xaa"
_PROTECTIVE: Final = 0xEE
_EXTENDED: Final = (0x05, 0x0F, 0x85)
_MOST_LOGICAL: Final = 64
_GPT: Final = struct.Struct("<8sIIIIQQQQ16sQIII")
_GPT_SIGNATURE: Final = b"EFI PART"
_ENTRY_SIZES: Final = (128, 256, 512)
_MOST_ENTRIES: Final = 1024


@dataclass(frozen=True)
class Partition:
    """A partition by its number in the table, and where it is."""

    number: int
    offset_bytes: int
    size_bytes: int


def partitions(reader: Reader) -> tuple[Partition, ...]:
    """Return the partitions of a disk that lie within it; none: it has no table.

    Raises:
        DeviceError: The disk cannot be read.
    """
    if _at(reader, _MBR_SIZE - 2, 2) != _BOOT_SIGNATURE:
        return ()
    entries = _entries(_at(reader, 0, _MBR_SIZE))
    if any(kind == _PROTECTIVE for kind, _, _ in entries):
        for sector_size in SECTOR_SIZES:
            if found := _gpt(reader, sector_size):
                return found
        return ()
    return tuple(_mbr(reader, entries))


def _at(reader: Reader, offset: int, size: int) -> bytes:
    """Bytes of the disk, or none where it does not reach."""
    if offset < 0 or offset + size > reader.size:
        return b""
    buffer = bytearray(size)
    reader.pread_into(buffer, offset)
    return bytes(buffer)


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    """The type, the first sector and the number of sectors of the four entries of a boot sector."""
    return [(sector[at + 4], *struct.unpack_from("<II", sector, at + 8)) for at in range(446, 510, 16)]


def _mbr(reader: Reader, entries: list[tuple[int, int, int]]) -> list[Partition]:
    found = []
    sector_size = SECTOR_SIZES[0]
    for number, (kind, start, count) in enumerate(entries, 1):
        if kind in _EXTENDED:
            found += _logical(reader, start, sector_size)
        elif kind and start and count and start * sector_size < reader.size:
            found.append(Partition(number, start * sector_size, count * sector_size))
    return found


def _logical(reader: Reader, first: int, sector_size: int) -> list[Partition]:
    """The chain of logical partitions; one that leads back, or on and on, ends."""
    found: list[Partition] = []
    at, seen = first, set[int]()
    while at not in seen and len(seen) < _MOST_LOGICAL:
        seen.add(at)
        sector = _at(reader, at * sector_size, _MBR_SIZE)
        if sector[-2:] != _BOOT_SIGNATURE:
            break
        (kind, start, count), (_, following, _), *_ = _entries(sector)
        if kind and count and (at + start) * sector_size < reader.size:
            found.append(Partition(5 + len(found), (at + start) * sector_size, count * sector_size))
        if not following:
            break
        at = first + following
    return found


def gpt_backup(reader: Reader) -> range:
    """Return which bytes of a disk the copy of a GPT at its end takes; empty: it has no copy.

    Raises:
        DeviceError: The disk cannot be read.
    """
    for sector_size in SECTOR_SIZES:
        if (table := _gpt_at(reader, reader.size // sector_size - 1, sector_size)) is not None:
            return range(table.offset_bytes, reader.size)
    return range(0)


@dataclass(frozen=True)
class _Table:
    """A GPT's array of entries, of `entry_bytes` each, for which a valid header vouches."""

    offset_bytes: int
    content: bytes
    entry_bytes: int


def _gpt(reader: Reader, sector_size: int) -> tuple[Partition, ...]:
    """The partitions by the primary GPT, or by the one at the disk's end."""
    for lba in (1, reader.size // sector_size - 1):
        if (table := _gpt_at(reader, lba, sector_size)) is not None:
            return tuple(_gpt_entries(table.content, table.entry_bytes, sector_size, reader.size))
    return ()


def _gpt_at(reader: Reader, lba: int, sector_size: int) -> _Table | None:
    """The table of the GPT whose header is in a sector, if that is one and both its checksums are right."""
    header = _at(reader, lba * sector_size, _GPT.size)
    if not header:
        return None
    fields = _GPT.unpack(header)
    signature, _, header_size, crc = fields[:4]
    own, entries_lba, number, size, entries_crc = fields[5], *fields[10:14]
    if (
        signature != _GPT_SIGNATURE
        or not _GPT.size <= header_size <= sector_size
        or own != lba
        or size not in _ENTRY_SIZES
        or not 0 < number <= _MOST_ENTRIES
    ):
        return None
    whole = bytearray(_at(reader, lba * sector_size, header_size))
    whole[16:20] = bytes(4)
    content = _at(reader, entries_lba * sector_size, number * size)
    if zlib.crc32(whole) != crc or not content or zlib.crc32(content) != entries_crc:
        return None
    return _Table(entries_lba * sector_size, content, size)


def _gpt_entries(table: bytes, size: int, sector_size: int, end: int) -> list[Partition]:
    found = []
    for index in range(len(table) // size):
        entry = table[index * size : (index + 1) * size]
        first, last = struct.unpack_from("<QQ", entry, 32)
        if any(entry[:16]) and first <= last and first * sector_size < end:
            found.append(Partition(index + 1, first * sector_size, (last - first + 1) * sector_size))
    return found
