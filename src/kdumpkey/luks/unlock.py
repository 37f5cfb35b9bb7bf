"""The keyslot loop: from a header and a passphrase to the volume key.

KDF, keyslot area, anti-forensic merge, digest, each in wipeable memory. What a header may say and validation
does not ask is bound here, before anything is allocated or computed for it.

Source: docs/spec/luks.md "Unlocking a keyslot".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from kdumpkey.crypto import af, hashes, kdf
from kdumpkey.crypto.cipher import sector_cipher
from kdumpkey.crypto.cipher_spec import CipherSpec, is_null_cipher
from kdumpkey.errors import (
    DeviceError,
    KdfError,
    KeyMismatchError,
    KeyslotError,
    WrongKeyError,
)
from kdumpkey.luks.layout import LUKS1_STRIPES, SALT_BYTES, stripes_bytes
from kdumpkey.luks.model import (
    MAX_KEY_SIZE,
    PRIORITY_NORMAL,
    PRIORITY_PREFER,
    Keyslot,
    LuksHeader,
    UnknownKdf,
)
from kdumpkey.luks.reencryption import state_of
from kdumpkey.luks.volume_key import fits
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.storage.device import Reader

_OPENABLE_TYPES = frozenset({"luks1", "luks2"})


# Told of each slice of Argon2 that is done: the keyslot, how many are, and how many there are.
Deriving = Callable[[Keyslot, int, int], object]


class Unlocked(NamedTuple):
    """What a passphrase opened: keyslot, digest that its key fits, and the key, which the caller closes."""

    keyslot: int
    digest: int
    volume_key: SecretBuffer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.volume_key.close()


class Search(NamedTuple):
    """Which keyslots a passphrase is tried on, and how.

    Attributes:
        keyslot: Try this keyslot alone, even if it is to be ignored or is bound to no segment.
        unbound: Also try keyslots whose key opens no segment.
        among: Try only these, as a token demands; None: all.
        check_memory: Compare Argon2's memory with what is available before it runs.
        serialize: Run Argon2 of much memory one process at a time (`kdumpkey.luks.lock.memory_hard`).
        deriving: Told how far Argon2 has come; may raise to cancel.
    """

    keyslot: int | None = None
    unbound: bool = False
    among: Collection[int] | None = None
    check_memory: bool = True
    serialize: bool = False
    deriving: Deriving | None = None


EVERY_BOUND_KEYSLOT = Search()


def unlock(
    device: Reader,
    header: LuksHeader,
    passphrase: Buffer,
    search: Search = EVERY_BOUND_KEYSLOT,
) -> Unlocked:
    """Find the keyslot that a passphrase opens, by priority and then in the header's order, and give its key.

    Args:
        device: Where the keyslot areas are: the device that the header was read from.
        header: Its header.
        passphrase: The passphrase or the key file's content; only read.
        search: Which keyslots to try; default: all that open a segment.

    Raises:
        WrongKeyError: No keyslot opens with this passphrase.
        KeyslotError: No keyslot is usable, or one says what cannot be.
        KdfError: The costs or the salt of a keyslot or digest are out of bounds.
        CipherError: A keyslot's cipher or hash is not implemented.
        ResourceError: The memory that a keyslot's Argon2 needs is not available.
        DeviceError: The device ends before a keyslot's area does, or cannot be read.
    """
    tried, missing = False, None
    for candidate in _candidates(header, search):
        if candidate.area.offset >= device.size < header.areas_end:
            # The copy was cut short; the next keyslot may be there.
            missing = missing or candidate
            continue
        tried = True
        try:
            return open_keyslot(device, header, candidate, passphrase, search)
        except KeyMismatchError:
            continue
    if missing is not None:
        raise DeviceError(f"Device {device.name} ends before the area of keyslot {missing.id}.")
    if not tried:
        raise KeyslotError("No usable keyslot is available.")
    raise WrongKeyError("No key available with this passphrase.")


def check_other_keys(
    device: Reader,
    header: LuksHeader,
    passphrase: Buffer,
    opened: Unlocked,
    search: Search = EVERY_BOUND_KEYSLOT,
) -> None:
    """See that a passphrase also opens the other volume key of a reencryption that was begun.

    Args:
        device: Where the keyslot areas are.
        header: Its header.
        passphrase: What opened `opened`.
        opened: One of the keys.
        search: How Argon2 runs; the keyslots are those of the other key.

    Raises:
        KdumpkeyError: As `unlock`: the data need both keys.
    """
    if state_of(header) is None:
        return
    for digest in header.digests.values():
        if digest.segments and digest.id != opened.digest:
            # The new key's segment is a backup until the first data are written.
            theirs = search._replace(keyslot=None, unbound=True, among=digest.keyslots)
            unlock(device, header, passphrase, theirs).volume_key.close()


def open_keyslot(
    device: Reader,
    header: LuksHeader,
    keyslot: Keyslot,
    passphrase: Buffer,
    search: Search = EVERY_BOUND_KEYSLOT,
) -> Unlocked:
    """Open one keyslot.

    Args:
        device: The device that the header was read from.
        header: Its header, for the digest that the key must fit.
        keyslot: The keyslot.
        passphrase: The passphrase or the key file's content; only read.
        search: How Argon2 runs.

    Raises:
        KeyMismatchError: The passphrase does not open it.
        KdumpkeyError: As `unlock`.
    """
    digest = header.digest_of_keyslot(keyslot.id)
    if digest is None:
        raise KeyslotError(f"Keyslot {keyslot.id} is in no digest.")
    if memoryview(passphrase).nbytes and _is_unencrypted(keyslot):
        # Every passphrase would open it, and a header put there by an attacker would go unnoticed.
        raise KeyMismatchError(
            f"keyslot {keyslot.id} has the null cipher, which only an empty passphrase opens"
        )
    with _stripes(device, keyslot, passphrase, search) as stripes:
        key = af.merge(stripes, keyslot.key_size, LUKS1_STRIPES, _af_hash(keyslot))
    try:
        fit = fits(digest, key)
    except BaseException:
        key.close()
        raise
    if not fit:
        key.close()
        raise KeyMismatchError(f"the passphrase does not open keyslot {keyslot.id}")
    return Unlocked(keyslot=keyslot.id, digest=digest.id, volume_key=key)


def _candidates(header: LuksHeader, search: Search) -> list[Keyslot]:
    if search.keyslot is not None:
        named = header.keyslots.get(search.keyslot)
        return [named] if named and named.type in _OPENABLE_TYPES else []
    return [
        slot
        for priority in (PRIORITY_PREFER, PRIORITY_NORMAL)
        for slot in header.keyslots.values()
        if slot.priority == priority
        and slot.type in _OPENABLE_TYPES
        and (search.among is None or slot.id in search.among)
        and (search.unbound or not header.is_unbound(slot.id))
    ]


def _is_unencrypted(keyslot: Keyslot) -> bool:
    return is_null_cipher(keyslot.area.encryption)


def _stripes(device: Reader, keyslot: Keyslot, passphrase: Buffer, search: Search) -> SecretBuffer:
    """The decrypted area of a keyslot: the key's stripes, or noise if the passphrase is wrong."""
    size = _checked_area(device, keyslot)
    spec = CipherSpec.parse(keyslot.area.encryption, keyslot=True)
    spec.check_key_size(keyslot.area.key_size)
    with _area_key(keyslot, passphrase, search) as area_key:
        cipher = sector_cipher(spec, area_key)
    stripes = SecretBuffer(size)
    try:
        device.pread_into(stripes, keyslot.area.offset)
        cipher.decrypt_into(stripes, stripes, 0)
    except BaseException:
        stripes.close()
        raise
    finally:
        cipher.close()
    return stripes


def _checked_area(device: Reader, keyslot: Keyslot) -> int:
    """The bytes to read of a keyslot's area, once all that is said about it can be."""
    name, area = f"Keyslot {keyslot.id}", keyslot.area
    if not 0 < keyslot.key_size <= MAX_KEY_SIZE:
        raise KeyslotError(f"{name} has a key of {keyslot.key_size} bytes; 1 to {MAX_KEY_SIZE} are possible.")
    if keyslot.af is None or keyslot.af.stripes != LUKS1_STRIPES:
        raise KeyslotError(f"{name} does not have {LUKS1_STRIPES} stripes.")
    size = stripes_bytes(keyslot.key_size)
    if area.size < keyslot.key_size * LUKS1_STRIPES:
        raise KeyslotError(f"{name} has an area of {area.size} bytes; its stripes need {size}.")
    hashes.find(keyslot.af.hash)  # said now, not after a KDF of seconds
    if area.offset + size > device.size:
        raise DeviceError(f"Device {device.name} ends before the area of keyslot {keyslot.id}.")
    return size


def _area_key(keyslot: Keyslot, passphrase: Buffer, search: Search) -> SecretBuffer:
    function = keyslot.kdf
    if function is None or isinstance(function, UnknownKdf):
        why = (function.problem or f"{function.type!r} is unknown") if function else "it has none"
        raise KdfError(f"keyslot {keyslot.id} has no usable KDF: {why}")
    if len(function.salt) != SALT_BYTES:
        raise KdfError(f"keyslot {keyslot.id} has a salt of {len(function.salt)} bytes, not {SALT_BYTES}")
    kdf.check(function)
    if not isinstance(function, kdf.Argon2):
        return kdf.derive(function, passphrase, keyslot.area.key_size)
    # Only Argon2 takes turns, and asks what memory is there.
    from kdumpkey.luks import lock  # noqa: PLC0415 - PBKDF2 needs neither
    from kdumpkey.memory import available as memory  # noqa: PLC0415 - as above

    alone = search.serialize and function.memory_kib > lock.MEMORY_HARD_KIB
    # What is available is asked when the one before has given its memory back.
    with lock.memory_hard() if alone else contextlib.nullcontext():
        if search.check_memory:
            memory.check_fits(function.memory_kib, f"keyslot {keyslot.id}", function.variant)
        locked = memory.can_be_locked(function.memory_kib)
        return kdf.derive(
            function,
            passphrase,
            keyslot.area.key_size,
            lock_memory=locked,
            progress=None if search.deriving is None else partial(search.deriving, keyslot),
        )


def _af_hash(keyslot: Keyslot) -> str:
    return keyslot.af.hash if keyslot.af else ""
