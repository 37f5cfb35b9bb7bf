"""Which key `kdump name` is about: a LUKS device's, one from a file for any mapping, or a mere name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import UsageError
from kdumpkey.kdump.keys import give_key
from kdumpkey.luks.restored_key import description_of

if TYPE_CHECKING:
    from kdumpkey.cli.named_key import KeyToName
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.protocol import NamedKey
    from kdumpkey.kernel.simulated.machine import Machine


def name_key(session: Session, machine: Machine, what: KeyToName) -> tuple[NamedKey, tuple[str, ...]]:
    """Find the key and put it into the keyring, if it is to be put there, and name it.

    Raises:
        UsageError: Nothing says which.
        KdumpkeyError: As opening a device, the keyring, and the kernel.
    """
    description = what.description
    timeout_s = what.timeout_s or 0
    warnings: tuple[str, ...] = ()
    if what.device is not None:
        from kdumpkey.cli.opening import open_data_and_header  # noqa: PLC0415
        from kdumpkey.cli.unlocking import volume_key  # noqa: PLC0415
        from kdumpkey.luks.data_access import check_data_opens  # noqa: PLC0415

        with (
            open_data_and_header(what.device, what.header) as luks,
            volume_key(session, luks, what.keys) as (key, _),
        ):
            description = description or description_of(luks.header.uuid)
            warnings = (
                *check_data_opens(luks.header, luks.device.name),
                *give_key(machine, description, key, timeout_s=timeout_s),
            )
    elif description is None or what.count == 0:
        raise UsageError("kdump name needs a LUKS device, or --key-description.")
    elif (path := what.keys.volume_key_file) is not None:
        from kdumpkey.cli.keyfile import read_key_file  # noqa: PLC0415

        with read_key_file(path) as key:
            for name in _numbered(description, what.count):
                warnings = give_key(machine, name, key, timeout_s=timeout_s)
    *others, last = _numbered(description, what.count)
    for name in others:
        machine.kernel.name(name)
    return machine.kernel.name(last), warnings


def _numbered(description: str, count: int | None) -> list[str]:
    return [description] if count is None else [f"{description}-{number}" for number in range(1, count + 1)]
