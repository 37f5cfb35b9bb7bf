"""A new header with its keyslot put on a device, so that an old one opens until the new one does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from kdumpkey.errors import DeviceError, HeaderError, NotLuksError
from kdumpkey.luks import header_changes as edit
from kdumpkey.luks import layout, lock, luks1, store
from kdumpkey.luks.header import read_header
from kdumpkey.luks.layout import LUKS1_SLOTS
from kdumpkey.luks.model import SECTOR, Luks1Header, Luks2Header

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.new_keyslot import SealedKeyslot
    from kdumpkey.storage.device import Device

_FARTHEST_DATA: Final = 128 << 20  # bytes: what all keyslots can have, and as far as cryptsetup wipes
_LUKS1_AREAS: Final = 4096  # where they begin
_IN_SECOND: Final = 6  # the first keyslot whose offset is in the second sector of a LUKS1 header


def put_header(device: Device, made: LuksHeader, sealed: SealedKeyslot, number: int) -> None:
    """Write keyslot and header, and then wipe what was in the other areas: until then it may still open.

    Where there is an old header and room beside its keyslots, the new keyslot is put there first.

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
    final, size = _final_place(made, number), _taken(made, sealed)
    start, end = 2 * _copy_size(made), areas_end(made)
    header = _with_keyslot(made, sealed, number, final)
    spare = None if old is None else _spare(old, made, number, size, min(end, device.size))
    if spare is not None:
        store.create(device, _with_keyslot(made, sealed, number, spare), {spare: sealed.area})
        _wipe_around(device, start, end, spare, len(sealed.area))
    crowded = spare is None and _same_places(old, made)
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


def _copy_size(header: LuksHeader) -> int:
    """Half of what lies before the keyslots' areas."""
    return _LUKS1_AREAS // 2 if isinstance(header, Luks1Header) else cast("Luks2Header", header).metadata_size


def areas_end(header: LuksHeader) -> int:
    """Bytes from a device's beginning that are written for a header, of LUKS1 also those before its data."""
    if isinstance(header, Luks1Header):
        last = max(slot.area.offset + slot.area.size for slot in _all_slots(header).keyslots.values())
        last = -(-last // edit.AREA_ALIGNMENT) * edit.AREA_ALIGNMENT
        return max(last, before_data(header))
    return cast("Luks2Header", header).areas_end


def before_data(header: LuksHeader) -> int:
    """Bytes before the data, if these do not begin far behind the keyslots; else 0."""
    return header.data_offset if header.data_offset <= _FARTHEST_DATA else 0


def _taken(made: LuksHeader, sealed: SealedKeyslot) -> int:
    return len(sealed.area) if isinstance(made, Luks1Header) else edit.area_size(sealed.key_size)


def _same_places(old: LuksHeader | None, made: LuksHeader) -> bool:
    both = isinstance(old, Luks2Header) and isinstance(made, Luks2Header)
    return both and _copy_size(cast("LuksHeader", old)) == _copy_size(made)


def _final_place(made: LuksHeader, number: int) -> int:
    if isinstance(made, Luks1Header):
        return made.slots[number].key_material_offset * SECTOR
    return 2 * _copy_size(made)


def _with_keyslot(made: LuksHeader, sealed: SealedKeyslot, number: int, offset: int) -> LuksHeader:
    """The header with the keyslot at `offset`: in LUKS1 it changes places with the one that belongs there."""
    if not isinstance(made, Luks1Header):
        return edit.with_keyslot(cast("Luks2Header", made), number, sealed.json(offset), 0)
    sector, slot = offset // SECTOR, sealed.slot(made.slots[number])
    for other, each in enumerate(made.slots):
        if other != number and each.key_material_offset == sector:
            moved = replace(each, key_material_offset=slot.key_material_offset)
            made = luks1.with_slot(made, other, moved)
    return luks1.with_slot(made, number, replace(slot, key_material_offset=sector))


def _spare(old: LuksHeader, made: LuksHeader, number: int, size: int, end: int) -> int | None:
    """Room for a keyslot area apart from the old header and its keyslots, and from its own final place."""
    final = _final_place(made, number)
    old_copies = layout.LUKS1_HEADER_SIZE if isinstance(old, Luks1Header) else 2 * _copy_size(old)
    taken = [(slot.area.offset, slot.area.offset + slot.area.size) for slot in old.keyslots.values()]
    taken = sorted([(0, max(old_copies, 2 * _copy_size(made))), *taken, (final, final + size)])
    if isinstance(made, Luks1Header):
        behind = -(-luks1.areas_end(made) * SECTOR // edit.AREA_ALIGNMENT) * edit.AREA_ALIGNMENT
        # The offsets of keyslots in one sector of the header change places at once.
        near = [slot for slot in range(LUKS1_SLOTS) if (slot < _IN_SECOND) == (number < _IN_SECOND)]
        places = [behind, *(_final_place(made, slot) for slot in near)]
        return next(
            (
                at
                for at in places
                if at + size <= end and not any(begin < at + size and at < stop for begin, stop in taken)
            ),
            None,
        )
    at = 0
    for begin, stop in taken:
        if at + size <= begin:
            break
        at = max(at, -(-stop // edit.AREA_ALIGNMENT) * edit.AREA_ALIGNMENT)
    return at if at + size <= end else None


def _wipe_around(device: Device, start: int, end: int, kept: int, size: int) -> None:
    """Overwrite all of a run of bytes but for `size` of them at `kept`."""
    with lock.exclusive(device):
        store.wipe(device, start, kept - start)
        store.wipe(device, kept + size, end - kept - size)


def _wipe_behind(device: Device, end: int, old: LuksHeader) -> None:
    """Overwrite old keyslots where the new header has none: with a backup of the old one they would open."""
    with lock.exclusive(device):
        for slot in old.keyslots.values():
            start, stop = max(end, slot.area.offset), min(slot.area.offset + slot.area.size, device.size)
            if start < stop:
                store.wipe(device, start, stop - start)


def _all_slots(header: Luks1Header) -> Luks1Header:
    for number, slot in enumerate(header.slots):
        header = luks1.with_slot(header, number, replace(slot, active=True, iterations=1))
    return header
