"""luksKillSlot, luksRemoveKey and erase: keyslots wiped, and then declared gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyslotError
from kdumpkey.luks.model import REENCRYPTION
from kdumpkey.luks.new_keyslot import every_area, remove, without_keyslots
from kdumpkey.luks.unlock import Search, unlock

if TYPE_CHECKING:
    from typing_extensions import Buffer

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
    """Remove all keyslots that have keys from the header at once, and then wipe every area.

    In this order a loss of power leaves all keyslots or none: with the header go the salts, without which
    what is still in the areas opens for nobody. Erasing once more wipes what was left. The keyslot of a
    reencryption that was begun stays, with its area: it has no key, and without it no header is valid.

    Returns:
        Their numbers.

    Raises:
        DeviceError: The device cannot be written.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing() as header:
        numbers = tuple(sorted(slot.id for slot in header.keyslots.values() if slot.type != REENCRYPTION))
        if numbers:
            store.erase(without_keyslots(header, *numbers))
        for offset, size in every_area(header):
            for start, nbytes in store.device.data_in(offset, size):  # a hole may have no room to be filled
                store.wipe_area(start, nbytes)
        return numbers


def check_active(header: LuksHeader, keyslot: int) -> None:
    """Refuse a keyslot that does not exist, or cannot go alone.

    Raises:
        KeyslotError: It does not exist, or belongs to a reencryption.
    """
    if keyslot not in header.keyslots:
        raise KeyslotError(f"Keyslot {keyslot} is not active.")
    if header.keyslots[keyslot].type == REENCRYPTION:
        raise KeyslotError(
            f"Keyslot {keyslot} has no key: it belongs to the reencryption that was begun, and goes with it."
        )


def keyslot_to_remove(store: HeaderStore, passphrase: Buffer, *, check_memory: bool = True) -> int:
    """Find the keyslot that luksRemoveKey removes for a passphrase.

    While a volume is reencrypted, the passphrase must open a keyslot of the old volume key and one of the new
    key, and the latter goes, as with cryptsetup: the data open with both keys only.

    Args:
        store: The open header.
        passphrase: The passphrase, or a key file's content; only read.
        check_memory: Compare Argon2's memory with what is available before it runs.

    Raises:
        WrongKeyError: It opens none, or not both.
        KdumpkeyError: As `luks.unlock.unlock`.
    """
    number = -1
    for among in _keyslots_of_one_key(store.header):
        search = Search(among=among, check_memory=check_memory)
        with unlock(store.device, store.header, passphrase, search) as opened:
            number = opened.keyslot
    return number


def is_reencrypting(header: LuksHeader) -> bool:
    """Say whether a reencryption was begun and is not finished."""
    return any(slot.type == REENCRYPTION for slot in header.keyslots.values())


def _keyslots_of_one_key(header: LuksHeader) -> list[tuple[int, ...] | None]:
    """The keyslots of each volume key that the data have, the newest last; None: all keyslots."""
    digests = [
        digest
        for flag in ("backup-previous", "backup-final")
        for segment in header.segments.values()
        if flag in segment.flags and (digest := header.digest_of_segment(segment.id)) is not None
    ]
    if not is_reencrypting(header) or not digests:
        return [None]
    return [digest.keyslots for digest in dict.fromkeys(digests)]


def is_last(header: LuksHeader, keyslot: int) -> bool:
    """Say whether a keyslot is the only one left that opens a segment."""
    return [number for number in header.keyslots if not header.is_unbound(number)] == [keyslot]
