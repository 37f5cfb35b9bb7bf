"""A volume key that the crashed kernel handed over, out of root's user keyring, and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyNotFoundError, WrongKeyError
from kdumpkey.key_description import description_of
from kdumpkey.keyring import SpecialKeyring, read_key, search_keyring

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


def restored_key(
    restore: Callable[[], object], luks: LuksDevice, description: str | None = None
) -> SecretBuffer:
    """Have the kdump kernel put the keys back, and take the device's: no passphrase, no Argon2.

    Linux reports every restore as done, so only the keyring tells.

    Args:
        restore: Has the kdump kernel do so.
        luks: The device.
        description: The key's name; None: the one that kdump's tools give the device's key.

    Raises:
        KernelError: It is not the kdump kernel that runs.
        WrongKeyError: No key of the name came back, or it is not the device's any more.
        KeyringError: The key cannot be read.
    """
    name = description_of(luks.header.uuid) if description is None else description
    restore()
    try:
        key = read_key(search_keyring(SpecialKeyring.USER, "user", name))
    except KeyNotFoundError as error:
        raise WrongKeyError(f"No key {name} was handed over from the first kernel.") from error
    try:
        luks.verify(key)
    except BaseException:
        key.close()
        raise
    return key
