"""luksChangeKey and luksConvertKey: another passphrase or other costs for a keyslot that is open.

If there is room for both, the new keyslot is on the medium before the old one goes. If there is not, the area
is overwritten in place: from the first byte on, the keyslot opens by neither passphrase until one more sector
of the header is written. That cannot be avoided in the space there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from kdumpkey.errors import ConflictError, KeyslotError, WrongKeyError
from kdumpkey.luks import header_changes, layout, luks1
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.new_keyslot import SealedKeyslot, remove, seal_keyslot, write_keyslot
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.luks.seal import Recipe
from kdumpkey.luks.volume_key import verify_volume_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.luks.unlock import Unlocked


def change_key(
    store: HeaderStore,
    opened: Unlocked,
    passphrase: Buffer,
    recipe: Recipe,
    *,
    stay: bool = False,
) -> int:
    """Seal the key of a keyslot anew, and remove what sealed it before.

    Args:
        store: The open header.
        opened: The keyslot with its key, opened by `store.header`.
        passphrase: What is to open the keyslot from now on.
        recipe: How the keyslot is made.
        stay: Keep the keyslot's number also in LUKS1, where the next free one is taken otherwise.

    Returns:
        The keyslot's number now: in LUKS2 always the old one.

    Raises:
        ConflictError: The keyslot was changed by somebody else meanwhile; nothing was written.
        KdumpkeyError: As `luks.seal.seal` and `luks.store`.
    """
    before = store.header
    check_requirements(before, "luksChangeKey")
    with (
        seal_keyslot(before, opened.volume_key, passphrase, recipe) as sealed,
        store.changing() as header,
    ):
        check_requirements(header, "luksChangeKey")
        _check_unchanged(before, header, opened)
        match header:
            case Luks1Header():
                return _change_luks1(store, header, sealed, opened.keyslot, stay)
            case Luks2Header():
                return _change_luks2(store, header, sealed, opened.keyslot, opened.digest)
            case _:
                assert_never(header)


def _check_unchanged(before: LuksHeader, header: LuksHeader, opened: Unlocked) -> None:
    """A keyslot that is another one by now, or gone, must not be replaced by what was opened."""
    same = header.keyslots.get(opened.keyslot) == before.keyslots.get(opened.keyslot)
    if same:
        try:
            same = verify_volume_key(header, opened.volume_key, unbound=True).id == opened.digest
        except WrongKeyError:
            same = False
    if not same:
        raise ConflictError(f"Keyslot {opened.keyslot} was changed meanwhile by another process.")


def _change_luks2(
    store: HeaderStore, header: Luks2Header, sealed: SealedKeyslot, number: int, digest: int
) -> int:
    old = header.keyslots[number].area
    offset = header_changes.free_area(header, layout.area_bytes(sealed.key_size))
    if offset is None:
        return _change_luks2_in_place(store, header, sealed, number)
    second = header_changes.free_keyslot(header)
    if second is None:  # 32 keyslots: the header can only switch from one area to the other
        changed = header_changes.with_keyslot_replaced(header, number, sealed.json(offset))
        store.check_fits(changed)
        store.write_area(offset, sealed.area)
        store.write(changed)
        store.wipe_area(old.offset, old.size)
        return number
    both = header_changes.with_keyslot(header, second, sealed.json(offset), digest)
    store.check_fits(both)
    store.write_area(offset, sealed.area)
    both = store.write(both)
    store.wipe_area(old.offset, old.size)
    store.write(header_changes.with_keyslot_moved(both, second, number))
    return number


def _change_luks2_in_place(
    store: HeaderStore, header: Luks2Header, sealed: SealedKeyslot, number: int
) -> int:
    old = header.keyslots[number].area
    size = layout.area_bytes(sealed.key_size)
    offset = header_changes.free_area(header, size, without=number)
    if offset is None:
        raise KeyslotError("No space for new keyslot.")
    changed = header_changes.with_keyslot_replaced(header, number, sealed.json(offset))
    store.check_fits(changed)
    store.replace(changed, offset, sealed.area)
    for start, end in ((old.offset, offset), (offset + size, old.offset + old.size)):
        if start < end:  # what the new area leaves of the old one
            store.wipe_area(max(start, old.offset), min(end, old.offset + old.size) - max(start, old.offset))
    return number


def _change_luks1(
    store: HeaderStore, header: Luks1Header, sealed: SealedKeyslot, number: int, stay: bool
) -> int:
    second = next((free for free, slot in enumerate(header.slots) if not slot.active), None)
    digest = next(iter(header.digests))
    if second is None:
        slot = sealed.slot(header.slots[number])
        store.replace(luks1.with_slot(header, number, slot), slot.key_material_offset * SECTOR, sealed.area)
        return number
    both = write_keyslot(store, header, sealed, second, digest)
    alone = remove(store, both, number)
    if not stay:
        return second
    # The number was asked for: the same stripes go there too, and then leave the other slot.
    remove(store, write_keyslot(store, alone, sealed, number, digest), second)
    return number
