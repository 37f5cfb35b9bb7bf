"""Keys and keyrings by name, and the volume key between them and secret memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.errors import KeyExpiredError, KeyNotFoundError, KeyRevokedError, KeyringError
from kdumpkey.keyring.names import KeyName, KeyringName, VolumeKeySource
from kdumpkey.keyring.service import add_key, describe_key, read_key, request_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.secret import SecretBuffer

_PROC_KEYS = Path("/proc/keys")
_PROC_TYPE_CHARACTERS = 9  # of the type's name, which /proc/keys cuts short


def find_key(key_type: str, description: str) -> int:
    """The serial number of a key that this process's keyrings lead to, else of the first in /proc/keys.

    The second is how keys in @u are found from a session that is not linked to it. It finds only what this
    process may view, and finding is not yet permission to use.

    Raises:
        KeyNotFoundError: Neither has it.
        KeyExpiredError, KeyRevokedError: The key is there, but expired or was revoked.
    """
    try:
        return request_key(key_type, description)
    except (KeyNotFoundError, KeyExpiredError, KeyRevokedError):
        for number in _listed_keys(key_type):
            try:
                key = describe_key(number)
            except KeyringError:  # gone, revoked, or not for this process to see: not the one
                continue
            if (key.type, key.description) == (key_type, description):
                return number
        raise


def resolve_keyring(keyring: KeyringName) -> int:
    """The number by which the kernel takes a keyring that an option named.

    Raises:
        KeyNotFoundError: No keyring has this name.
    """
    if keyring.description is None:
        return keyring.number or 0
    try:
        return find_key("keyring", keyring.description)
    except KeyNotFoundError as error:
        raise KeyNotFoundError(f'Could not find keyring described by "{keyring}".', error.errno) from error


def link_volume_key(keyring: int, key: KeyName, volume_key: Buffer) -> int:
    """Put a volume key into a keyring under a name; a key of that name there is replaced.

    Args:
        keyring: Serial number, from `resolve_keyring`, called before the passphrase is asked for.
        key: Type and description.
        volume_key: The key; verified, because whoever finds it will trust it.

    Returns:
        The serial number of the key.

    Raises:
        KeyQuotaError, KeyAccessError, KeyringError: As `add_key`.
    """
    return add_key(key.type, key.description, volume_key, keyring)


def read_volume_key(source: VolumeKeySource) -> SecretBuffer:
    """Read a volume key candidate; it proves nothing before the header's digest has confirmed it.

    Raises:
        KeyNotFoundError, KeyExpiredError, KeyRevokedError, KeyAccessError: The key is not available.
        KeyringError: With EOPNOTSUPP, a logon key, which only the kernel can read.
    """
    try:
        key = find_key(source.key.type, source.key.description)
    except KeyNotFoundError:
        if source.number is None:
            raise
        key = source.number
    return read_key(key)


def never_expires(key: int) -> bool:
    """Whether a key is one that has no timeout, as far as /proc/keys shows it to this process."""
    return any(int(field[0], 16) == key and field[3] == b"perm" for field in _listing())


def _listed_keys(key_type: str) -> list[int]:
    """Serial numbers of the keys of a type in /proc/keys, which shows what this process may view."""
    wanted = key_type[:_PROC_TYPE_CHARACTERS].encode()
    return [int(field[0], 16) for field in _listing() if field[7] == wanted]


def _listing() -> list[list[bytes]]:
    """The fields of /proc/keys: serial flags usage timeout permissions uid gid type description."""
    try:
        lines = _PROC_KEYS.read_bytes().splitlines()
    except OSError:  # a kernel without it, or no /proc
        return []
    return [field for field in (line.split(maxsplit=8) for line in lines) if len(field) == 9]
