"""unlock and open: check a key, hand it to a keyring, decrypt."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.opening import VERSIONS, open_data_and_header
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.errors import KeyNotFoundError, KeyringError, UsageError
from kdumpkey.luks.data_access import check_data_opens

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.cli.session import Session
    from kdumpkey.keyring import LinkTarget
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer
    from kdumpkey.volume.volume import Volume

_KNOWN: Final = ("luks", "luks1", "luks2", "plain", "loopaes", "tcrypt", "bitlk", "fvault2")


def open_device(session: Session) -> None:
    """Map a volume, or with --test-passphrase check a passphrase or key alone."""
    options = session.invocation
    kind = options.text("type")
    if kind is not None and kind not in _KNOWN:
        raise UsageError(f"Unrecognized metadata device type {kind}.")
    test = options.flag("test-passphrase")
    if not test:
        if len(options.arguments) < 2:
            raise UsageError("Command requires device and mapped name as arguments.")
        if kind is not None and kind not in VERSIONS:
            raise UsageError(f"kdumpkey does not open {kind} devices; cryptsetup does.")
    link = _link_target(session)
    with open_data_and_header(session) as luks:
        map_it = None if test else _mapping_to(session, luks, options.arguments[1])
        with volume_key(session, luks) as (key, _):
            link(key)
            if map_it is not None:
                map_it(key)


def unlock(session: Session) -> None:
    """Check a key, and with --to decrypt, with --map map; --json tells what was found."""
    options = session.invocation
    link = _link_target(session)
    with open_data_and_header(session) as luks:
        if options.text("to") is not None:
            luks.check_data_apart()
        name = options.text("map")
        map_it = None if name is None else _mapping_to(session, luks, name)
        with volume_key(session, luks) as (key, keyslot):
            link(key)
            result: dict[str, object] = {
                "device": luks.device.name,
                "uuid": luks.header.uuid,
                "version": luks.header.version,
                "keyslot": keyslot,
            }
            for warning in check_data_opens(luks.header, luks.device.name):
                session.complain(f"WARNING: {warning}")
            if map_it is not None:
                result["map"] = map_it(key)
            if (output := options.text("to")) is not None:
                with luks.volume(key, tier=session.streams.environment.get("KDUMPKEY_AESXTS")) as volume:
                    key.close()  # the volume has its own, and the decryption may take hours
                    result |= _decrypt(session, luks, volume, output)
            if options.flag("json"):
                session.say(json.dumps(result))


def _mapping_to(session: Session, luks: LuksDevice, name: str) -> Callable[[SecretBuffer], str]:
    from kdumpkey.cli.mapped import mapping_to  # noqa: PLC0415 - a mere check needs no device-mapper

    return mapping_to(session, luks, name)


def _decrypt(session: Session, luks: LuksDevice, volume: Volume, output: str) -> dict[str, object]:
    from kdumpkey.cli.progress import progress_bar  # noqa: PLC0415 - a mere check shows none
    from kdumpkey.volume.decrypt import decrypt_to_file, decrypt_to_stream, part_of  # noqa: PLC0415

    options = session.invocation
    part = part_of(volume, options.number("from") or 0, options.number("length"))
    if output != "-" and _same_file(output, luks):
        raise UsageError(f"{output} is what is being decrypted: the plaintext must go elsewhere.")
    with progress_bar(session.streams, len(part)) as progress:
        if output == "-":
            if os.isatty(session.streams.stdout):
                raise UsageError("The plaintext will not be written to a terminal: redirect standard output.")
            decrypt_to_stream(volume, session.streams.stdout, part, progress=progress)
        else:
            decrypt_to_file(
                volume,
                output,
                part,
                sparse=options.flag("sparse"),
                replace=options.flag("force"),
                progress=progress,
            )
    return {"to": output, "from": part.start, "length": len(part)}


def _same_file(output: str, luks: LuksDevice) -> bool:
    try:
        there = os.stat(output)
    except (OSError, ValueError):
        return False
    return any(
        os.path.samestat(there, os.fstat(device.fileno())) for device in (luks.device, luks.header_device)
    )


def _link_target(session: Session) -> Callable[[SecretBuffer], None]:
    """What --link-vk-to-keyring does with the volume key; the keyring is found before anyone is asked."""
    text = session.invocation.text("link-vk-to-keyring")
    if text is None:
        return lambda _key: None
    from kdumpkey import keyring  # noqa: PLC0415 - only who asks for keyrings pays for them
    from kdumpkey.cli.machines import names_machine  # noqa: PLC0415

    target = keyring.parse_link_target(text)
    if names_machine(session):
        return lambda key: _link_simulated(session, target, key)
    try:
        number = keyring.resolve_keyring(target.keyring)
    except KeyNotFoundError as error:
        raise UsageError(f"{error}\nInvalid --link-vk-to-keyring value.") from error

    def link(key: SecretBuffer) -> None:
        try:
            keyring.link_volume_key(number, target.key, key)
        except KeyringError as error:
            message = f"Failed to link volume key in user defined keyring.\n{error}"
            raise UsageError(message) from error

    return link


def _link_simulated(session: Session, target: LinkTarget, key: SecretBuffer) -> None:
    from kdumpkey.cli.machines import open_machine  # noqa: PLC0415
    from kdumpkey.kdump.keys import link  # noqa: PLC0415

    with open_machine(session) as machine:
        try:
            warnings = link(machine, target, key)
        except KeyringError as error:
            message = f"Failed to link volume key in user defined keyring.\n{error}"
            raise UsageError(message) from error
    for warning in warnings:
        session.complain(f"WARNING: {warning}")
