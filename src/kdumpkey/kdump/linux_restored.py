"""The hand-over on this machine's own kernel, in the kdump kernel: out of root's user keyring, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyNotFoundError, WrongKeyError
from kdumpkey.kdump.keys import description_of
from kdumpkey.keyring import SpecialKeyring, read_key, search_keyring

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


def key_from_linux(restore: Callable[[], object], luks: LuksDevice) -> SecretBuffer:
    """Have the kdump kernel put the keys back, and take the device's: no passphrase, no Argon2.

    Linux reports a restore as done whatever happened, so the keyring is what tells.

    Args:
        restore: Has the kdump kernel do so.
        luks: The device.

    Raises:
        KernelError: It is not the kdump kernel that runs.
        WrongKeyError: No key of the device's name came back, or it is not the device's any more.
        KeyringError: The key cannot be read.
    """
    name = description_of(luks.header.uuid)
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
