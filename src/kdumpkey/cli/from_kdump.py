"""Volume keys out of a kernel: handed over, or in a simulated machine's keyrings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.machines import names_machine, open_kernel, open_machine, this_kernel
from kdumpkey.kdump.keys import key_from_kdump
from kdumpkey.kernel.protocol import Stage

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.keyring.names import LinkTarget
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


def key_handed_over(
    session: Session, luks: LuksDevice, choice: MachineChoice, *, mount_configfs: bool = False
) -> SecretBuffer:
    """Restore the keys in the kdump kernel, and take the one that opens the device.

    Raises:
        WrongKeyError: None of them does.
        KernelError: It is not the kdump kernel that runs, or it reports that it cannot restore them.
        DeviceError: There is no machine.
    """
    with open_kernel(session, choice, mount_configfs=mount_configfs) as kernel:
        key, restored = key_from_kdump(kernel, luks)
        if restored.keys is not None:
            session.explain(f"Keys handed over: {len(restored.keys)}; one is this volume's.")
        return key


def keys_are_handed_over(session: Session, choice: MachineChoice) -> bool:
    """Whether this is a kdump kernel whose crashed one may have handed keys over."""
    return not names_machine(session, choice) and this_kernel().status().stage is Stage.KDUMP


def read_simulated(session: Session, source: str, choice: MachineChoice) -> SecretBuffer:
    """The key that --volume-key-keyring names, from the machine's keyrings.

    Raises:
        KeyringError: There is no such key, or it may not be read.
    """
    from kdumpkey.keyring.names import parse_volume_key_source  # noqa: PLC0415 - keys handed over have one known name

    description = parse_volume_key_source(source).key.description
    with open_machine(session, choice) as machine:
        serial = machine.keyrings.request(machine.process, "user", description)
        return machine.keyrings.read(machine.process, serial)


def link_simulated(
    session: Session, target: LinkTarget, key: SecretBuffer, choice: MachineChoice
) -> tuple[str, ...]:
    """Put a volume key where --link-vk-to-keyring says, in the machine's keyrings.

    Returns:
        Warnings: where the key lies now.

    Raises:
        KeyringError: The keyring refuses it, or has no number.
    """
    with open_machine(session, choice) as machine:
        keyring = target.keyring.number or 0
        return machine.kernel.keys.add(target.key.type, target.key.description, key, keyring)
