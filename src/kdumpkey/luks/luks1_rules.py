"""What a LUKS1 header must be to be one, judged as it stands on the device.

Source: the LUKS1 on-disk format, version 1.2.3, and what cryptsetup refuses beyond it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kdumpkey.errors import HeaderError, NotLuksError
from kdumpkey.luks import checksum, layout
from kdumpkey.luks.layout import SECTOR

if TYPE_CHECKING:
    from kdumpkey.luks.layout import Luks1Binary, Luks1BinarySlot
    from kdumpkey.storage.device import Reader


def read_judged(
    reader: Reader, *, cut_short: bool = False
) -> tuple[Luks1Binary, tuple[Luks1BinarySlot, ...]]:
    """Read the LUKS1 header at the start of a device, and judge it.

    Args:
        reader: The device.
        cut_short: Take a device that ends before the keyslots' areas do.

    Raises:
        NotLuksError: The device has no LUKS header.
        HeaderError: It is inconsistent, or the device too small for it.
        DeviceError: The device cannot be read.
    """
    if reader.size < layout.LUKS1_HEADER_SIZE:
        raise NotLuksError(f"{reader.size} bytes cannot hold a LUKS1 header")
    block = bytearray(layout.LUKS1_HEADER_SIZE)
    reader.pread_into(block, 0)
    binary, slots = judged(block)
    areas = ((slot.key_material_offset, slot.stripes) for slot in slots)
    needed = layout.luks1_areas_end(binary.key_bytes, areas)
    if reader.size < needed and not cut_short:
        raise HeaderError(f"Device {reader.name} is too small. (LUKS1 requires at least {needed} bytes.)")
    return binary, slots


def judged(block: bytes | bytearray | memoryview) -> tuple[Luks1Binary, tuple[Luks1BinarySlot, ...]]:
    """Take a LUKS1 header from its first 1024 bytes, and judge all of it that does not need the device.

    Raises:
        NotLuksError: The device has no LUKS header.
        HeaderError: It is inconsistent; the message names the slot.
    """
    binary, slots = layout.unpack_luks1(block)
    if binary.magic != layout.MAGIC or binary.version != 1:
        raise NotLuksError("no LUKS1 header")
    hash_spec = layout.text(binary.hash_spec)
    if checksum.digest_size(hash_spec) < layout.LUKS1_DIGEST_BYTES:
        raise HeaderError(f"Requested LUKS hash {hash_spec} is not supported.")
    if binary.key_bytes == 0:
        raise HeaderError("the volume key has no bytes")
    _check_slots(slots, binary.key_bytes, binary.payload_offset)
    return binary, slots


def _check_slots(slots: tuple[Luks1BinarySlot, ...], key_size: int, payload_offset: int) -> None:
    length = layout.stripes_bytes(key_size) // SECTOR
    for number, slot in enumerate(slots):
        if (
            slot.stripes != layout.LUKS1_STRIPES
            or slot.key_material_offset * SECTOR < layout.LUKS1_HEADER_SIZE
            or (payload_offset and slot.key_material_offset + length > payload_offset)
        ):
            raise _invalid(number)
    by_offset = sorted(range(len(slots)), key=lambda number: slots[number].key_material_offset)
    for before, after in pairwise(by_offset):
        if slots[before].key_material_offset + length > slots[after].key_material_offset:
            raise _invalid(before)


def _invalid(number: int) -> HeaderError:
    return HeaderError(f"LUKS keyslot {number} is invalid.")
