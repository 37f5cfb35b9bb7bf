"""The binary headers as they stand on a device, packed and unpacked, judged by nobody."""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"LUKS\xba\xbe"
MAGIC_SECONDARY = b"SKUL\xba\xbe"

LUKS2_HEADER_SIZE = 4096
LUKS2_METADATA_SIZES = tuple(1 << shift for shift in range(14, 23))
_LUKS2 = struct.Struct(">6sHQQ48s32s64s40s48sQ184s64s")

LUKS1_HEADER_SIZE = 1024
LUKS1_SLOTS = 8
LUKS1_STRIPES = 4000
LUKS1_ACTIVE = 0x00AC71F3
LUKS1_INACTIVE = 0x0000DEAD
_LUKS1 = struct.Struct(">6sH32s32s32sII20s32sI40s")
_LUKS1_SLOT = struct.Struct(">II32sII")


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
    def unpack(cls, block: bytes | bytearray | memoryview) -> Luks2Binary:
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
    """Return a fixed-width text field up to its NUL, which its last byte counts as whatever it is.

    Bytes that are not UTF-8 become surrogates.
    """
    return field[:-1].partition(b"\0")[0].decode("utf-8", "surrogateescape")


def field(value: str, size: int) -> bytes:
    """Return a text as a fixed-width field of `size` bytes, cut so that a NUL ends it."""
    return value.encode("utf-8", "surrogateescape")[: size - 1].ljust(size, b"\0")
