"""The volume key of a device, out of the kdump kernel that got it back: no passphrase, no Argon2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import WrongKeyError
from kdumpkey.key_description import description_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.kernel.protocol import Kernel, Restored
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


def key_from_kdump(kernel: Kernel, luks: LuksDevice) -> tuple[SecretBuffer, Restored]:
    """Restore the keys in the kdump kernel, and find the one that opens a device.

    Args:
        kernel: The kdump kernel.
        luks: The device; the key of its own name is tried first, then the others.

    Returns:
        The volume key, checked, and what was restored.

    Raises:
        KernelError: Not the kdump kernel, or a restore that failed where the kernel reports it.
        KeyringError: A key cannot be read.
        WrongKeyError: None of the keys that came back is this device's.
    """
    own = description_of(luks.header.uuid)
    restored = kernel.restore(own)
    # Linux does not tell what came back: the keyring does.
    names = (own,) if restored.keys is None else sorted(restored.keys, key=lambda name: name != own)
    wrong: WrongKeyError | None = None
    for name in names:
        key = kernel.keys.read(restored.key_type, name)
        if key is None:
            continue
        try:
            luks.verify(key)
        except BaseException as error:
            key.close()
            if not isinstance(error, WrongKeyError):
                raise
            wrong = error
        else:
            return key, restored
    raise _refusal(luks, restored, names, wrong)


def _refusal(
    luks: LuksDevice, restored: Restored, names: Sequence[str], wrong: WrongKeyError | None
) -> WrongKeyError:
    """Why no key opens the device."""
    if restored.keys is None:
        return wrong or WrongKeyError(f"No key {names[0]} was handed over from the first kernel.")
    if names:
        return WrongKeyError(f"None of the keys handed over is the volume key of {luks.device.name}.")
    why = "; ".join(restored.warnings) or "the kernel was given none"
    return WrongKeyError(f"No key was handed over from the first kernel: {why}.")
