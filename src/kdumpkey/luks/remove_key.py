"""luksKillSlot, luksRemoveKey and erase: keyslots wiped, and then declared gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyslotError
from kdumpkey.luks.new_keyslot import every_area, remove, without_keyslots

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.store import HeaderStore


def kill_slot(store: HeaderStore, keyslot: int) -> None:
    """Wipe a keyslot and remove it from the header.

    Raises:
        KeyslotError: It is not active (any more).
        DeviceError: The device cannot be written.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing() as header:
        check_active(header, keyslot)
        remove(store, header, keyslot)


def erase(store: HeaderStore) -> tuple[int, ...]:
    """Remove all keyslots from the header at once, and then wipe every area.

    In this order a loss of power leaves all keyslots or none: with the header go the salts, without which
    what is still in the areas opens for nobody. Erasing once more wipes what was left.

    Returns:
        Their numbers.

    Raises:
        DeviceError: The device cannot be written.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing() as header:
        numbers = tuple(sorted(header.keyslots))
        if numbers:
            store.erase(without_keyslots(header, *numbers))
        for offset, size in every_area(header):
            for start, nbytes in store.device.data_in(offset, size):  # a hole may have no room to be filled
                store.wipe_area(start, nbytes)
        return numbers


def check_active(header: LuksHeader, keyslot: int) -> None:
    """Refuse a keyslot that does not exist.

    Raises:
        KeyslotError: It does not.
    """
    if keyslot not in header.keyslots:
        raise KeyslotError(f"Keyslot {keyslot} is not active.")


def is_last(header: LuksHeader, keyslot: int) -> bool:
    """Say whether a keyslot is the only one left that opens a segment."""
    return [number for number in header.keyslots if not header.is_unbound(number)] == [keyslot]
