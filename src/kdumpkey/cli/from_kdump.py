"""Volume keys out of this kernel or a simulated machine: handed over, or in the keyrings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.machines import linux_kernel, names_machine, open_machine
from kdumpkey.kernel.linux.restore import can_restore, restore_keys

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


def key_handed_over(
    session: Session, luks: LuksDevice, choice: MachineChoice, *, mount_configfs: bool = False
) -> SecretBuffer:
    """Restore the keys in the kdump kernel, and take the one that opens the device.

    Raises:
        WrongKeyError: None of them does.
        KernelError: It is not the kdump kernel that runs, or it says that it cannot restore them.
        DeviceError: There is no machine.
    """
    if not names_machine(session, choice) and can_restore():
        from kdumpkey.luks.restored_key import restored_key  # noqa: PLC0415 - a simulated machine needs none

        return restored_key(restore_keys, luks)
    if (kernel := linux_kernel(session, choice, mount_configfs=mount_configfs)) is not None:
        from kdumpkey.luks.restored_key import restored_key  # noqa: PLC0415

        return restored_key(kernel.restore, luks)
    from kdumpkey.kdump.keys import key_from_kdump  # noqa: PLC0415 - nor does Linux's own kernel need the other

    with open_machine(session, choice) as machine:
        key, restored = key_from_kdump(machine, luks)
        session.explain(f"Keys handed over: {len(restored.keys or ())}; one is this volume's.")
        return key


def keys_are_handed_over(session: Session, choice: MachineChoice) -> bool:
    """Whether this is a kdump kernel whose crashed one may have handed keys over."""
    from kdumpkey.kernel.protocol import Stage  # noqa: PLC0415

    kernel = linux_kernel(session, choice)
    return kernel is not None and kernel.status().stage is Stage.KDUMP


def read_simulated(session: Session, source: str, choice: MachineChoice) -> SecretBuffer:
    """The key that --volume-key-keyring names, from the machine's keyrings.

    Raises:
        KeyringError: There is none, or it may not be read.
    """
    from kdumpkey.kdump.keys import read_user_key  # noqa: PLC0415
    from kdumpkey.keyring import parse_volume_key_source  # noqa: PLC0415

    with open_machine(session, choice) as machine:
        return read_user_key(machine, parse_volume_key_source(source).key.description)
