"""luksAddKey: another passphrase for a volume key, or a key of its own that opens no segment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Pbkdf2, derive
from kdumpkey.luks import header_changes, layout
from kdumpkey.luks.header_changes import VolumeKeyDigest
from kdumpkey.luks.new_keyslot import (
    choose_number,
    room_for,
    seal_keyslot,
    write_keyslot,
)
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.luks.seal import DEFAULT_HASH, Recipe
from kdumpkey.luks.volume_key import verify_volume_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.store import HeaderStore

_DIGEST_ITERATIONS: Final = 1000


def add_key(
    store: HeaderStore,
    volume_key: Buffer,
    passphrase: Buffer,
    recipe: Recipe,
    *,
    keyslot: int | None = None,
) -> int:
    """Add a keyslot that gives the volume key.

    Args:
        store: The open header.
        volume_key: The volume key, or the key of another digest of the header.
        passphrase: What is to open the keyslot.
        recipe: How the keyslot is made.
        keyslot: Its number; default: the lowest free one.

    Returns:
        The keyslot's number.

    Raises:
        WrongKeyError: The volume key is not this header's.
        KeyslotError: The number is taken or impossible, or there is no room.
        RequirementsError: The header demands features that are not implemented.
        KdumpkeyError: As `luks.seal.seal` and `luks.store`.
    """
    check_requirements(store.header, "luksAddKey")
    choose_number(store.header, keyslot)
    verify_volume_key(store.header, volume_key, unbound=True)
    with (
        seal_keyslot(store.header, volume_key, passphrase, recipe) as sealed,
        store.changing() as header,
    ):
        check_requirements(header, "luksAddKey")
        digest = verify_volume_key(header, volume_key, unbound=True)
        number = choose_number(header, keyslot)
        write_keyslot(store, header, sealed, number, digest.id)
        return number


def add_unbound_key(
    store: HeaderStore,
    key: Buffer,
    passphrase: Buffer,
    recipe: Recipe,
    *,
    keyslot: int | None = None,
) -> int:
    """Add a keyslot with a key that belongs to no segment, and the digest of that key.

    Args:
        store: The open header, of LUKS2.
        key: The key.
        passphrase: What is to open the keyslot.
        recipe: How the keyslot is made.
        keyslot: Its number; default: the lowest free one.

    Returns:
        The keyslot's number.

    Raises:
        NotLuksError: The header is of LUKS1.
        KdumpkeyError: As `add_key`.
    """
    check_requirements(store.header, "luksAddKey")
    choose_number(store.header, keyslot)
    salt = os.urandom(layout.SALT_BYTES)
    with (
        derive(Pbkdf2(DEFAULT_HASH, _DIGEST_ITERATIONS, salt), key, 32) as derived,
        memoryview(derived) as view,
    ):
        digest = VolumeKeyDigest(DEFAULT_HASH, _DIGEST_ITERATIONS, salt, bytes(view))
    with (
        seal_keyslot(store.header, key, passphrase, recipe) as sealed,
        store.changing_luks2() as header,
    ):
        check_requirements(header, "luksAddKey")
        number = choose_number(header, keyslot)
        offset = room_for(header, sealed)
        changed = header_changes.with_digest(header, digest, number, sealed.json(offset))
        store.check_fits(changed)
        store.write_area(offset, sealed.area)
        store.write(changed)
        return number
