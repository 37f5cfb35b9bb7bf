"""The binary headers as they are on a device, packed and unpacked without any judgement."""

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SECTOR = 512
SALT_BYTES = 32  # of keyslots and digests
MAGIC = b"LUKS\xba\xbe"
MAGIC_SECONDARY = b"SKUL\xba\xbe"

LUKS2_HEADER_SIZE = 4096
LUKS2_LABEL_BYTES = 48  # of the label and of the subsystem, with the NUL
LUKS2_AREA_ALIGNMENT = 4096
LUKS2_MOST_KEYSLOTS_BYTES = 128 << 20
LUKS2_METADATA_SIZES = tuple(1 << shift for shift in range(14, 23))
LUKS2_SALT_BYTES = 64
LUKS2_CHECKSUM_NAME_BYTES = 32
UUID_BYTES = 40
_PADDING_BYTES = 184
_CHECKSUM_BYTES = 64
_LUKS2 = struct.Struct(
    f">6sHQQ{LUKS2_LABEL_BYTES}s{LUKS2_CHECKSUM_NAME_BYTES}s{LUKS2_SALT_BYTES}s{UUID_BYTES}s"
    f"{LUKS2_LABEL_BYTES}sQ{_PADDING_BYTES}s{_CHECKSUM_BYTES}s"
)
LUKS2_CHECKSUM = slice(_LUKS2.size - _CHECKSUM_BYTES, _LUKS2.size)  # where it is in a binary header

LUKS1_HEADER_SIZE = 1024
LUKS1_SLOTS = 8
LUKS1_STRIPES = 4000
LUKS1_ACTIVE = 0x00AC71F3
LUKS1_INACTIVE = 0x0000DEAD
LUKS1_AREAS_OFFSET = 4096  # bytes; where the areas of a new header begin
LUKS1_AREA_ALIGNMENT = 4096
LUKS1_DIGEST_BYTES = 20
LUKS1_NAME_BYTES = 32
_LUKS1 = struct.Struct(
    f">6sH{LUKS1_NAME_BYTES}s{LUKS1_NAME_BYTES}s{LUKS1_NAME_BYTES}sII"
    f"{LUKS1_DIGEST_BYTES}s{SALT_BYTES}sI{UUID_BYTES}s"
)
_LUKS1_SLOT = struct.Struct(f">II{SALT_BYTES}sII")
# A LUKS1 header takes two sectors, and a keyslot that both have a part of changes with the second.
LUKS1_SLOTS_IN_FIRST_SECTOR = (SECTOR - _LUKS1.size) // _LUKS1_SLOT.size


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not less than `value`."""
    return -(-value // step) * step


def stripes_bytes(key_size: int, stripes: int = LUKS1_STRIPES) -> int:
    """Return the bytes that the stripes of a key of `key_size` bytes fill, in whole sectors."""
    return round_up(key_size * stripes, SECTOR)


def luks1_area_offset(key_size: int, number: int) -> int:
    """Return the byte at which the area of a keyslot begins in a new LUKS1 header; of number 8, their end."""
    return LUKS1_AREAS_OFFSET + number * round_up(key_size * LUKS1_STRIPES, LUKS1_AREA_ALIGNMENT)


def area_bytes(key_size: int) -> int:
    """Return the bytes of the area of a LUKS2 keyslot whose key has `key_size` bytes."""
    return round_up(key_size * LUKS1_STRIPES, LUKS2_AREA_ALIGNMENT)


class Luks2Binary(NamedTuple):
    """The first 512 bytes of a copy of a LUKS2 header; text fields with their NULs."""

    magic: bytes
    version: int
    hdr_size: int
    seqid: int
    label: bytes
    csum_alg: bytes
    salt: bytes
    uuid: bytes
    subsystem: bytes
    hdr_offset: int
    padding: bytes
    csum: bytes

    @classmethod
    def unpack(cls, block: bytes | bytearray | memoryview) -> "Luks2Binary":
        """Take the fields from the first 512 bytes of `block`."""
        return cls(*_LUKS2.unpack_from(block))

    def pack(self) -> bytes:
        """Return the 4096 bytes of the binary header."""
        return _LUKS2.pack(*self).ljust(LUKS2_HEADER_SIZE, b"\0")


class Luks1Binary(NamedTuple):
    """A LUKS1 header without its slots; text fields with their NULs."""

    magic: bytes
    version: int
    cipher_name: bytes
    cipher_mode: bytes
    hash_spec: bytes
    payload_offset: int
    key_bytes: int
    mk_digest: bytes
    mk_digest_salt: bytes
    mk_digest_iterations: int
    uuid: bytes


class Luks1BinarySlot(NamedTuple):
    """One of the eight slots of a LUKS1 header."""

    state: int
    iterations: int
    salt: bytes
    key_material_offset: int
    stripes: int


def unpack_luks1(block: bytes | bytearray | memoryview) -> tuple[Luks1Binary, tuple[Luks1BinarySlot, ...]]:
    """Take a LUKS1 header and its slots from the first 592 bytes of `block`."""
    slots = (_LUKS1_SLOT.unpack_from(block, _LUKS1.size + i * _LUKS1_SLOT.size) for i in range(LUKS1_SLOTS))
    return Luks1Binary(*_LUKS1.unpack_from(block)), tuple(Luks1BinarySlot(*slot) for slot in slots)


def pack_luks1(header: Luks1Binary, slots: tuple[Luks1BinarySlot, ...]) -> bytes:
    """Return the 592 bytes that hold a LUKS1 header and its slots."""
    return _LUKS1.pack(*header) + b"".join(_LUKS1_SLOT.pack(*slot) for slot in slots)


def text(field: bytes) -> str:
    """Return a fixed-width text field up to its NUL; its last byte counts as one in any case.

    Bytes that are not UTF-8 become surrogates.
    """
    return field[:-1].partition(b"\0")[0].decode("utf-8", "surrogateescape")


def field(value: str, size: int) -> bytes:
    """Return a text as a fixed-width field of `size` bytes, cut so that a NUL ends it."""
    return value.encode("utf-8", "surrogateescape")[: size - 1].ljust(size, b"\0")


def label(value: str) -> str:
    """Return a label or a subsystem as a header keeps it: cut at 47 bytes."""
    return text(field(value, LUKS2_LABEL_BYTES))


def luks1_areas_end(key_size: int, areas: "Iterable[tuple[int, int]]") -> int:
    """Return the end in bytes of the last area of a LUKS1 header, in use or not.

    Args:
        key_size: Bytes of the volume key.
        areas: Of each slot the sector at which its area begins, and its stripes.
    """
    return max(sector * SECTOR + stripes_bytes(key_size, stripes) for sector, stripes in areas)
