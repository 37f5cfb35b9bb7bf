"""A volume key in a keyring, which an option names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.cli.machines import names_machine
from kdumpkey.errors import KeyringError, UsageError
from kdumpkey.keyring.find import read_volume_key
from kdumpkey.keyring.names import parse_volume_key_source

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.secret import SecretBuffer

_NOT_IN_KEYRING: Final = "Failed to read volume key candidate from keyring."


def from_keyring(session: Session, source: str, machine: MachineChoice) -> SecretBuffer:
    """Read a volume key candidate from a keyring: the simulated machine's if one is named, else the kernel's.

    Args:
        session: The run.
        source: As --volume-key-keyring takes it.
        machine: Which machine.

    Raises:
        UsageError: There is no such key, or it may not be read.
    """
    try:
        if names_machine(session, machine):
            from kdumpkey.cli.from_kdump import read_simulated  # noqa: PLC0415 - a simulator, and slow to load

            return read_simulated(session, source, machine)
    except KeyringError as error:
        raise UsageError(_NOT_IN_KEYRING) from error
    return volume_key_in_keyring(source)


def volume_key_in_keyring(source: str) -> SecretBuffer:
    """Read a volume key candidate from the kernel's keyring; only a header's digest says whether it is right.

    Args:
        source: As --volume-key-keyring takes it: a number, or a name with or without its type.

    Raises:
        UsageError: There is no such key, or this process may not read it.
    """
    try:
        return read_volume_key(parse_volume_key_source(source))
    except KeyringError as error:
        raise UsageError(_NOT_IN_KEYRING) from error
