"""The hand-over on a simulated machine: LUKS volume keys into its keyring, and out of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KernelError, KeyringError, WrongKeyError
from kdumpkey.keyring.service import SpecialKeyring
from kdumpkey.luks.restored_key import description_of
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

    from kdumpkey.kernel.protocol import Restored
    from kdumpkey.kernel.simulated.machine import Machine
    from kdumpkey.keyring import LinkTarget
    from kdumpkey.luks.device import LuksDevice


def give_key(
    machine: Machine,
    description: str,
    key: Buffer,
    *,
    key_type: str = "logon",
    keyring: int = SpecialKeyring.USER,
    timeout_s: int = 0,
) -> tuple[str, ...]:
    """Put a volume key into the keyring of the machine's kernel.

    Args:
        machine: The machine.
        description: The key's name.
        key: The volume key.
        key_type: ``logon``, as for a hand-over, or ``user``.
        keyring: Which one.
        timeout_s: After how many seconds it expires; 0: never.

    Returns:
        Warnings: where the key lies now.

    Raises:
        KeyringError: The keyring refuses it.
    """
    serial = machine.keyrings.add(machine.process, key_type, description, key, keyring)
    if timeout_s:
        machine.keyrings.set_timeout(machine.process, serial, timeout_s)
    return real_key_warnings(machine.state.throwaway, machine.path)


def real_key_warnings(throwaway: bool, path: Path) -> tuple[str, ...]:
    """What to say when a volume key that protects something is put into a simulator."""
    if throwaway:
        return ()
    from kdumpkey.kernel.simulated.machine import in_memory  # noqa: PLC0415 - Linux's own kernel is no simulated machine

    where = "on tmpfs" if in_memory(path) else "on a DISK, not a tmpfs: there it cannot be wiped for certain"
    return (
        f"this volume key now lies in a file under {path}, {where}. A simulator is no security boundary: "
        "kdump destroy wipes it.",
    )


def read_user_key(machine: Machine, description: str) -> SecretBuffer:
    """A key of type user, as cryptsetup takes a volume key from a keyring.

    Raises:
        KeyringError: There is none, or it may not be read.
    """
    serial = machine.keyrings.request(machine.process, "user", description)
    return machine.keyrings.read(machine.process, serial)


def link(machine: Machine, target: LinkTarget, key: Buffer) -> tuple[str, ...]:
    """Put a volume key where ``--link-vk-to-keyring`` says.

    Raises:
        KeyringError: The keyring refuses it, or has no number.
    """
    keyring = target.keyring.number or 0
    return give_key(machine, target.key.description, key, key_type=target.key.type, keyring=keyring)


def key_from_kdump(machine: Machine, luks: LuksDevice) -> tuple[SecretBuffer, Restored]:
    """Restore the keys in the kdump kernel, and find the one that opens a device: no passphrase, no Argon2.

    Args:
        machine: In its kdump kernel.
        luks: The device; the key of its own name is tried first, then the others.

    Returns:
        The volume key, checked, and what was restored.

    Raises:
        KernelError: Not the kdump kernel, or a restore that failed where that is not swallowed.
        WrongKeyError: None of the keys that came back is this device's.
    """
    own = description_of(luks.header.uuid)
    kernel = machine.kernel
    restored = kernel.restore(own if machine.state.policy.value == "v1" else None)
    names = sorted(restored.keys or (), key=lambda name: name != own)
    for name in names:
        key = _kernel_copy(machine, restored.key_type, name)
        if key is None:
            continue
        try:
            luks.verify(key)
        except WrongKeyError:
            key.close()
        else:
            return key, restored
    if names:
        raise WrongKeyError(f"None of the keys handed over is the volume key of {luks.device.name}.")
    why = "; ".join(restored.warnings) or "the kernel was given none"
    raise WrongKeyError(f"No key was handed over from the first kernel: {why}.")


def _kernel_copy(machine: Machine, key_type: str, name: str) -> SecretBuffer | None:
    """The key, as dm-crypt gets it in the kernel: a logon key, too."""
    try:
        serial = machine.keyrings.request(machine.process, key_type, name)
        return SecretBuffer.copy_of(machine.keyrings.payload(serial))
    except (KeyringError, KernelError):
        return None
