"""The operations of the kernel's key retention service, with typed errors and payloads in secret memory.

Keys and keyrings are named by their serial number; where a keyring is wanted, the negative numbers of
`SpecialKeyring` serve as well. Source: keyctl(2), add_key(2), request_key(2), keyrings(7).
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KeyringError
from kdumpkey.keyring._calls import add_key_call, address_of, join_call, keyctl, request_key_call, search_call
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GET_KEYRING_ID, _REVOKE, _SETPERM, _DESCRIBE, _LINK, _UNLINK = 0, 3, 5, 6, 8, 9
_READ, _SET_TIMEOUT, _INVALIDATE = 11, 15, 21


class SpecialKeyring(IntEnum):
    """The keyrings that every process has, by the numbers that the kernel knows them by."""

    THREAD = -1
    PROCESS = -2
    SESSION = -3
    USER = -4
    USER_SESSION = -5
    GROUP = -6


SHORTHANDS: Final = {
    "@t": SpecialKeyring.THREAD,
    "@p": SpecialKeyring.PROCESS,
    "@s": SpecialKeyring.SESSION,
    "@u": SpecialKeyring.USER,
    "@us": SpecialKeyring.USER_SESSION,
    "@g": SpecialKeyring.GROUP,
}


class Permission(IntFlag):
    """What one class of users may do with a key; the kernel keeps a byte for each class."""

    VIEW = 0x01
    READ = 0x02
    WRITE = 0x04
    SEARCH = 0x08
    LINK = 0x10
    SETATTR = 0x20


@dataclass(frozen=True)
class KeyDescription:
    """What the kernel tells about a key without its content; `permissions` as in keyctl_setperm(3)."""

    type: str
    uid: int
    gid: int
    permissions: int
    description: str


def add_key(key_type: str, description: str, payload: Buffer, keyring: int) -> int:
    """Add a key to a keyring, or replace the payload of the key of that type and description in it.

    Args:
        key_type: ``user``, ``logon`` (its descriptions need a ``prefix:``), or another type of the kernel.
        description: The key's name.
        payload: Any contiguous buffer; its bytes go to the kernel from where they are.
        keyring: Serial number of the keyring.

    Returns:
        The serial number of the key.

    Raises:
        KeyQuotaError: The user's quota of keys or bytes is used up.
        KeyAccessError: The keyring, or the key to be replaced, may not be written.
        KeyringError: Anything else; `errno` says what.
    """
    what = f"{key_type} key {description!r} cannot be added to keyring {_keyring(keyring)}"
    if key_type == "logon" and ":" not in description:
        what += " (a logon key's name needs a prefix and a colon)"
    with address_of(payload) as content:
        return add_key_call(what, key_type, description, content, keyring)


def add_keyring(description: str, parent: int) -> int:
    """Make a new keyring and link it into another one; a keyring of that name there is replaced."""
    what = f"keyring {description!r} cannot be made in keyring {_keyring(parent)}"
    return add_key_call(what, "keyring", description, (0, 0), parent)


def request_key(key_type: str, description: str, destination: int = 0) -> int:
    """Find a key in the thread, process and session keyrings and under them, as the kernel itself looks.

    Args:
        key_type: Type of the key.
        description: Its name.
        destination: A keyring that gets a link to it, or 0.

    Raises:
        KeyNotFoundError: There is no such key, or it expired (the kernel ignores it).
        KeyRevokedError: There is one, and it was revoked.
    """
    what = f"{key_type} key {description!r} was not found in this process's keyrings"
    return request_key_call(what, key_type, description, destination)


def search_keyring(keyring: int, key_type: str, description: str, destination: int = 0) -> int:
    """Find a key in one keyring and the keyrings under it.

    Raises:
        KeyNotFoundError: There is no such key.
        KeyExpiredError, KeyRevokedError, KeyAccessError: The best match is expired, revoked or not permitted.
    """
    what = f"{key_type} key {description!r} was not found in keyring {_keyring(keyring)}"
    return search_call(what, keyring, key_type, description, destination)


def read_key(key: int) -> SecretBuffer:
    """The payload of a key, read by the kernel straight into secret memory.

    Raises:
        KeyAccessError: The process may not read it.
        KeyringError: With EOPNOTSUPP, a type that user space cannot read (logon).
    """
    try:
        nbytes = keyctl(f"key {key} cannot be read", _READ, key, 0, 0)
        while True:
            payload = SecretBuffer(nbytes)
            with address_of(payload) as (address, length):
                nbytes = keyctl(f"key {key} cannot be read", _READ, key, address, length)
            if nbytes == len(payload):
                return payload
            with payload:  # the key was updated in between
                if nbytes < len(payload):
                    return SecretBuffer.copy_of(memoryview(payload)[:nbytes])
    except KeyringError as error:
        if error.errno == errno.EOPNOTSUPP:
            why = f"key {key} is of a type that the kernel does not let user space read"
            raise KeyringError(why, errno.EOPNOTSUPP) from None
        raise


def keys_of(keyring: int) -> tuple[int, ...]:
    """The serial numbers of what is linked into a keyring."""
    with read_key(keyring) as payload:
        return struct.unpack(f"={len(payload) // 4}i", payload)


def describe_key(key: int) -> KeyDescription:
    """What the kernel tells of a key.

    Raises:
        KeyNotFoundError, KeyExpiredError, KeyRevokedError, KeyAccessError: It is gone, or may not be viewed.
    """
    what = f"key {key} cannot be described"
    text = bytearray(256)
    while True:
        with address_of(text) as (address, length):
            nbytes = keyctl(what, _DESCRIBE, key, address, length)
        if nbytes <= len(text):
            break
        text = bytearray(nbytes)
    # The description comes last and may hold semicolons itself.
    kind, uid, gid, permissions, description = os.fsdecode(bytes(text[: nbytes - 1])).split(";", 4)
    return KeyDescription(kind, int(uid), int(gid), int(permissions, 16), description)


def link_key(key: int, keyring: int) -> None:
    """Link a key into a keyring; a key of the same type and name there is displaced."""
    keyctl(f"key {key} cannot be linked into keyring {_keyring(keyring)}", _LINK, key, keyring)


def unlink_key(key: int, keyring: int) -> None:
    """Take a key out of a keyring; a key that no keyring holds any longer is destroyed."""
    keyctl(f"key {key} cannot be unlinked from keyring {_keyring(keyring)}", _UNLINK, key, keyring)


def set_timeout(key: int, seconds: int) -> None:
    """Have a key expire so many seconds from now; 0: never."""
    keyctl(f"key {key} cannot be given a timeout", _SET_TIMEOUT, key, seconds)


def revoke_key(key: int) -> None:
    """Make a key unusable; finding it then fails with `KeyRevokedError`."""
    keyctl(f"key {key} cannot be revoked", _REVOKE, key)


def invalidate_key(key: int) -> None:
    """Take a key out of all keyrings and destroy it at once."""
    keyctl(f"key {key} cannot be invalidated", _INVALIDATE, key)


def set_permissions(key: int, possessor: Permission, user: Permission) -> None:
    """Set what the key's possessor and its owner may do; group and others get nothing."""
    keyctl(f"key {key} cannot be given permissions", _SETPERM, key, possessor << 24 | user << 16)


def keyring_id(keyring: int, *, create: bool = False) -> int:
    """The serial number behind a special keyring.

    Raises:
        KeyNotFoundError: The process has none, and `create` is not set.
    """
    return keyctl(f"there is no keyring {_keyring(keyring)}", _GET_KEYRING_ID, keyring, int(create))


def join_session(name: str | None = None) -> int:
    """Give this process a new session keyring, or the one of that name, made if it does not exist."""
    return join_call("a session keyring cannot be joined", name)


def _keyring(number: int) -> str:
    return {int(ring): name for name, ring in SHORTHANDS.items()}.get(number, str(number))
