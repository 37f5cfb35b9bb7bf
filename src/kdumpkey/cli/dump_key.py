"""luksDump of a key: the volume key, or that of an unbound keyslot, on standard output or into a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.dump_text import unbound_key_text, volume_key_text
from kdumpkey.cli.hex_lines import hex_bytes
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.unlocking import KeyslotRequest, unlocked
from kdumpkey.errors import KeyslotError, OutputError, UsageError
from kdumpkey.secret import wipe
from kdumpkey.storage.publish import new_file
from kdumpkey.storage.transfer import write_in_full

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import UnlockSource
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer

_VOLUME_KEY_WARNING: Final = (
    "The header dump with volume key is sensitive information\n"
    "that allows access to encrypted partition without a passphrase.\n"
    "This dump should be stored encrypted in a safe place."
)
_UNBOUND_KEY_WARNING: Final = (
    "The header dump with unbound key is sensitive information.\n"
    "This dump should be stored encrypted in a safe place."
)


def dump_volume_key(
    session: Session,
    luks: LuksDevice,
    source: UnlockSource,
    request: KeyslotRequest,
    output: str | None,
) -> None:
    """Ask whether that is meant, then for the passphrase, and give the volume key out.

    Args:
        session: The run.
        luks: The open device.
        source: Where the passphrase comes from.
        request: Which keyslot it must open.
        output: The file to write the key to; None: it is shown.
    """
    confirm(session, _VOLUME_KEY_WARNING)
    with unlocked(session, luks, source, replace(request, tokens=False, tries=1)) as opened:
        session.explain(f"Key slot {opened.keyslot} unlocked.")
        text = volume_key_text(
            luks.header, luks.header_device.name, len(opened.volume_key) * 8, session.streams.quoted
        )
        _give_out(session, text, "MK dump:", opened.volume_key, output)


def dump_unbound_key(
    session: Session, luks: LuksDevice, source: UnlockSource, *, key_slot: int, output: str | None
) -> None:
    """Ask whether that is meant, then for the passphrase, and give the key of an unbound keyslot out.

    Args:
        session: The run.
        luks: The open device.
        source: Where the passphrase comes from.
        key_slot: The keyslot.
        output: The file to write the key to; None: it is shown.

    Raises:
        KeyslotError: The keyslot is not an unbound one.
    """
    slot = luks.header.keyslots.get(key_slot)
    if slot is None or not luks.header.is_unbound(key_slot):
        raise KeyslotError(f"Keyslot {key_slot} does not contain unbound key.")
    confirm(session, _UNBOUND_KEY_WARNING)
    request = KeyslotRequest(key_slot, unbound=True, tokens=False, tries=1)
    with unlocked(session, luks, source, request) as opened:
        session.explain(f"Key slot {opened.keyslot} unlocked.")
        text = unbound_key_text(
            luks.header, luks.header_device.name, key_slot, len(opened.volume_key) * 8, session.streams.quoted
        )
        _give_out(session, text, "Unbound Key:", opened.volume_key, output)


def _give_out(session: Session, text: str, label: str, key: SecretBuffer, path: str | None) -> None:
    if path is not None:
        _store(path, key)
        session.write(f"{text}Key stored to file {path}.\n")
        return
    with memoryview(key) as octets:
        lines = hex_bytes(octets, b"\t\t")
    try:
        session.write(f"{text}{label}\t")
        write_in_full(session.streams.stdout, lines)
    finally:
        wipe(lines)


def _store(path: str, key: SecretBuffer) -> None:
    step = f"Cannot open keyfile {path} for write."
    try:
        with new_file(path, mode=0o400, sync=True) as fd:
            step = f"Cannot write to keyfile {path}."
            write_in_full(fd, key)
    except OutputError as error:
        raise UsageError(step) from error
