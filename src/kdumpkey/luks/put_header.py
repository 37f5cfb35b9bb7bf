"""A new header with its keyslot put on a device, so that an old one opens until the new one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.errors import DeviceError, HeaderError, NotLuksError
from kdumpkey.luks import header_changes, layout, lock, luks1, store
from kdumpkey.luks.header import read_header
from kdumpkey.luks.layout import LUKS2_AREA_ALIGNMENT, SECTOR, round_up
from kdumpkey.luks.model import Luks1Header, Luks2Header

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.new_keyslot import SealedKeyslot
    from kdumpkey.storage.device import Device

_FARTHEST_DATA: Final = layout.LUKS2_MOST_KEYSLOTS_BYTES  # cryptsetup wipes no farther than this either


def put_header(device: Device, made: LuksHeader, sealed: SealedKeyslot, number: int) -> None:
    """Write keyslot and header, and then wipe the other areas, whose keyslots may open until then.

    If there is an old header and room beside its keyslots, the new keyslot is put there first.

    Args:
        device: Open for writing, and large enough.
        made: The header without keyslots.
        sealed: Its only keyslot.
        number: That keyslot's number.

    Raises:
        HeaderError: It does not fit its own area.
        DeviceError: The device cannot be written.
    """
    old = _old_header(device)
    final, size = _final_offset(made, number), _area_size(made, sealed)
    start, end = made.areas_start, bytes_written(made)
    header = _with_keyslot(made, sealed, number, final)
    spare = None if old is None else _spare(old, made, number, size, min(end, device.size))
    if spare is not None:
        store.create(device, _with_keyslot(made, sealed, number, spare), {spare: sealed.area})
        _wipe_around(device, start, end, spare, len(sealed.area))
    crowded = spare is None and _copies_coincide(old, made)
    store.create(device, header, {final: sealed.area}, crowded=crowded)
    if spare is not None:
        with lock.exclusive(device):
            store.wipe(device, spare, size)
    else:
        _wipe_around(device, start, end, final, len(sealed.area))
    if old is not None:
        _wipe_behind(device, end, old)


def _old_header(device: Device) -> LuksHeader | None:
    try:
        return read_header(device)
    except (NotLuksError, HeaderError, DeviceError):
        return None


def bytes_written(header: LuksHeader) -> int:
    """Bytes from a device's beginning that are written for a header; for LUKS1, up to its data."""
    match header:
        case Luks1Header():
            return max(header.aligned_areas_end, before_data(header))
        case Luks2Header():
            return header.areas_end
        case _:
            assert_never(header)


def before_data(header: LuksHeader) -> int:
    """Bytes before the data; 0 if they begin far behind the keyslots."""
    return header.data_offset if header.data_offset <= _FARTHEST_DATA else 0


def _area_size(made: LuksHeader, sealed: SealedKeyslot) -> int:
    match made:
        case Luks1Header():
            return len(sealed.area)
        case Luks2Header():
            return layout.area_bytes(sealed.key_size)
        case _:
            assert_never(made)


def _copies_coincide(old: LuksHeader | None, made: LuksHeader) -> bool:
    """Whether the two copies of an old LUKS2 header are where the new header's are."""
    match old, made:
        case Luks2Header(), Luks2Header():
            return old.metadata_size == made.metadata_size
        case _:
            return False


def _final_offset(made: LuksHeader, number: int) -> int:
    match made:
        case Luks1Header():
            return made.slots[number].key_material_offset * SECTOR
        case Luks2Header():
            return made.areas_start
        case _:
            assert_never(made)


def _with_keyslot(made: LuksHeader, sealed: SealedKeyslot, number: int, offset: int) -> LuksHeader:
    """The header with the keyslot at `offset`."""
    match made:
        case Luks1Header():
            return _with_slot(made, sealed, number, offset // SECTOR)
        case Luks2Header():
            return header_changes.with_keyslot(made, number, sealed.json(offset), 0)
        case _:
            assert_never(made)


def _with_slot(made: Luks1Header, sealed: SealedKeyslot, number: int, sector: int) -> Luks1Header:
    """The header with the slot's area at `sector`; the slot that has that area gets this one's."""
    slot = sealed.slot(made.slots[number])
    for other, each in enumerate(made.slots):
        if other != number and each.key_material_offset == sector:
            moved = each._replace(key_material_offset=slot.key_material_offset)
            made = luks1.with_slot(made, other, moved)
    return luks1.with_slot(made, number, slot._replace(key_material_offset=sector))


def _spare(old: LuksHeader, made: LuksHeader, number: int, size: int, end: int) -> int | None:
    """An offset for an area apart from the old header, its keyslots, and the area's own final offset."""
    final = _final_offset(made, number)
    used = [(slot.area.offset, slot.area.offset + slot.area.size) for slot in old.keyslots.values()]
    used = sorted([(0, max(old.copies_end, made.areas_start)), *used, (final, final + size)])
    match made:
        case Luks1Header():
            offsets = _luks1_offsets(made, number)
        case Luks2Header():
            offsets = sorted({round_up(stop, LUKS2_AREA_ALIGNMENT) for _, stop in used})
        case _:
            assert_never(made)
    return next((at for at in offsets if at + size <= end and _is_free(range(at, at + size), used)), None)


def _luks1_offsets(made: Luks1Header, number: int) -> list[int]:
    """Where the area of a slot may be: behind all areas, or where one is whose offset changes with its own.

    The offsets of slots in one sector of the header change at once.
    """
    first = layout.LUKS1_SLOTS_IN_FIRST_SECTOR
    near = [slot for slot in range(layout.LUKS1_SLOTS) if (slot < first) == (number < first)]
    return [made.aligned_areas_end, *(_final_offset(made, slot) for slot in near)]


def _is_free(area: range, used: list[tuple[int, int]]) -> bool:
    return not any(start < area.stop and area.start < stop for start, stop in used)


def _wipe_around(device: Device, start: int, end: int, kept: int, size: int) -> None:
    """Overwrite all of a run of bytes but for `size` of them at `kept`."""
    with lock.exclusive(device):
        store.wipe(device, start, kept - start)
        store.wipe(device, kept + size, end - kept - size)


def _wipe_behind(device: Device, end: int, old: LuksHeader) -> None:
    """Overwrite old keyslots behind the new header's end: with a backup of the old header they would open."""
    with lock.exclusive(device):
        for slot in old.keyslots.values():
            start, stop = max(end, slot.area.offset), min(slot.area.offset + slot.area.size, device.size)
            if start < stop:
                store.wipe(device, start, stop - start)
