"""What can be mended of a LUKS1 header that is not valid: the keyslots that are not in use.

Their offsets follow from the key's size. What an active keyslot says is known from nowhere else, so it is
left alone, and a header that is not valid because of one stays as it is.

Source: what cryptsetup 2.6.1 repairs, header by header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.errors import HeaderError
from kdumpkey.luks import layout, luks1
from kdumpkey.luks.layout import SECTOR

if TYPE_CHECKING:
    from kdumpkey.luks.model import Luks1Header

_KEY_SIZES: Final = (16, 32, 64)
_BOOT_SIGNATURE: Final = b"\x55\xaa"
_BOOT_SIGNATURE_AT: Final = 510
_SLOT_OF_BOOT_SIGNATURE: Final = 6


def repaired(block: bytes | bytearray) -> tuple[Luks1Header, tuple[str, ...]]:
    """Mend a LUKS1 header.

    Args:
        block: Its 1024 bytes.

    Returns:
        The valid header, and what was mended, one line each.

    Raises:
        NotLuksError: There is no LUKS1 header.
        HeaderError: It cannot be mended.
    """
    binary, slots = layout.unpack_luks1(block)
    if binary.magic == layout.MAGIC and binary.version == 1:
        if binary.key_bytes not in _KEY_SIZES:
            raise HeaderError("Non standard key size, manual repair required.")
        if slots[0].key_material_offset * SECTOR < layout.LUKS1_AREAS_OFFSET:
            raise HeaderError("Non standard keyslots alignment, manual repair required.")
    done: list[str] = []
    mended = tuple(
        _slot(number, slot, binary.key_bytes, bytes(block), done) for number, slot in enumerate(slots)
    )
    try:
        header = luks1.parse(layout.pack_luks1(binary, mended).ljust(layout.LUKS1_HEADER_SIZE, b"\0"))
    except HeaderError as error:
        raise type(error)(f"{error}\nRepair failed.") from error
    return header, tuple(done)


def _slot(
    number: int, slot: layout.Luks1BinarySlot, key_size: int, block: bytes, done: list[str]
) -> layout.Luks1BinarySlot:
    if slot.state == layout.LUKS1_ACTIVE:
        return slot
    offset = layout.luks1_area_offset(key_size, number) // SECTOR
    before = len(done)
    if slot.key_material_offset != offset:
        done.append(f"Keyslot {number}: offset repaired ({slot.key_material_offset} -> {offset}).")
    if slot.stripes != layout.LUKS1_STRIPES:
        done.append(f"Keyslot {number}: stripes repaired ({slot.stripes} -> {layout.LUKS1_STRIPES}).")
    if number == _SLOT_OF_BOOT_SIGNATURE and block[_BOOT_SIGNATURE_AT:].startswith(_BOOT_SIGNATURE):
        done.append(f"Keyslot {number}: bogus partition signature.")
    if len(done) == before:
        return slot
    done.append(f"Keyslot {number}: salt wiped.")
    salt = bytes(layout.SALT_BYTES)
    return layout.Luks1BinarySlot(layout.LUKS1_INACTIVE, 0, salt, offset, layout.LUKS1_STRIPES)
