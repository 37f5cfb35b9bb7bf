"""--link-vk-to-keyring: the volume key in a keyring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kdumpkey.cli.machines import names_machine
from kdumpkey.errors import KeyNotFoundError, KeyringError, UsageError
from kdumpkey.keyring.find import link_volume_key, resolve_keyring
from kdumpkey.keyring.names import parse_link_target

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.keyring.names import LinkTarget
    from kdumpkey.secret import SecretBuffer


def linking(session: Session, text: str, machine: MachineChoice) -> Callable[[SecretBuffer], None]:
    """Find the keyring, and return what links a volume key to it.

    Args:
        session: The run.
        text: As --link-vk-to-keyring takes it.
        machine: Whose keyring it is.

    Raises:
        UsageError: There is no such keyring; the function returned raises it if the key cannot be linked.
    """
    target = parse_link_target(text)
    if names_machine(session, machine):
        return lambda key: _link_simulated(session, target, key, machine)
    try:
        number = resolve_keyring(target.keyring)
    except KeyNotFoundError as error:
        raise UsageError(f"{error}\nInvalid --link-vk-to-keyring value.") from error

    def link(key: SecretBuffer) -> None:
        try:
            link_volume_key(number, target.key, key)
        except KeyringError as error:
            message = f"Failed to link volume key in user defined keyring.\n{error}"
            raise UsageError(message) from error

    return link


def _link_simulated(session: Session, target: LinkTarget, key: SecretBuffer, choice: MachineChoice) -> None:
    from kdumpkey.cli.from_kdump import link_simulated  # noqa: PLC0415 - only a simulated machine needs it

    try:
        warnings = link_simulated(session, target, key, choice)
    except KeyringError as error:
        message = f"Failed to link volume key in user defined keyring.\n{error}"
        raise UsageError(message) from error
    for warning in warnings:
        session.complain(f"WARNING: {warning}")
