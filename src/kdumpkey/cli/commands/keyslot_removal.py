"""luksKillSlot, luksRemoveKey, erase: keyslots that go, and the questions before they do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device, KeyFileArgument
from kdumpkey.cli.changing import key_file_named, open_for_change
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.interruptible import interruptible
from kdumpkey.cli.key_hint import hinting
from kdumpkey.cli.key_source import PassphraseSource, UnlockSource
from kdumpkey.cli.options import EVERYWHERE, HwOpalFactoryReset, KdfMemoryCheck
from kdumpkey.cli.parsers import leading_number
from kdumpkey.cli.passphrase import confirm, read_passphrase
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import (
    KeyMismatchError,
    KeyslotError,
    NothingToReadError,
    PermissionDeniedError,
    UsageError,
    WrongKeyError,
)
from kdumpkey.luks.remove_key import (
    check_active,
    erase,
    is_last,
    is_reencrypting,
    keyslot_to_remove,
    kill_slot,
)
from kdumpkey.luks.unlock import Search, open_keyslot

if TYPE_CHECKING:
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.secret import SecretBuffer

app = typer.Typer()
_LAST: Final = "This is the last keyslot. Device will become unusable after purging this key."
_NOT_WIPED: Final = "Operation aborted, the keyslot was NOT wiped.\n"


@action(
    app,
    "luksKillSlot",
    "<device> <key slot>",
    ignores=EVERYWHERE,
    example="kdumpkey luksKillSlot /dev/sda2 1",
)
def luks_kill_slot(
    run: Run,
    device: Device,
    keyslot: Annotated[str, typer.Argument(metavar="KEYSLOT", help="The keyslot's number")],
    header: HeaderChoice,
    passphrase: PassphraseSource,
    memory_check: KdfMemoryCheck = None,
) -> None:
    """Wipe a keyslot by its number, once a passphrase of another one has been given."""
    if (number := leading_number(keyslot)) < 0:
        raise UsageError("Key slot is invalid.")
    session = run.begin()
    source = UnlockSource(passphrase=passphrase, memory_check=memory_check)
    with open_for_change(device, header) as store:
        check_active(store.header, number)
        session.explain(f"Keyslot {number} is selected for deletion.")
        piped = not session.streams.stdin_is_terminal
        if not session.batch or piped or passphrase.key_file is not None:
            _check_passphrase_remains(session, store, number, source)
        kill_slot(store, number)
        session.explain(f"Key slot {number} removed.")


@action(
    app,
    "luksRemoveKey",
    "<device> [<key file>]",
    ignores=EVERYWHERE,
    example="kdumpkey luksRemoveKey /dev/sda2 old.key",
)
def luks_remove_key(
    run: Run,
    device: Device,
    header: HeaderChoice,
    passphrase: PassphraseSource,
    key_file: KeyFileArgument = None,
    memory_check: KdfMemoryCheck = None,
) -> None:
    """Wipe the keyslot that a passphrase opens."""
    session = run.begin()
    checks_memory = UnlockSource(memory_check=memory_check).checks_memory
    with open_for_change(device, header) as store:
        source = dataclasses.replace(
            passphrase, key_file=key_file_named(session, key_file, passphrase.key_file)
        )
        with (
            read_passphrase(session, source, "Enter passphrase to be deleted: ") as given,
            hinting(session, source, given),
            interruptible(),
        ):
            number = keyslot_to_remove(store, given, check_memory=checks_memory)
        session.explain(f"Key slot {number} unlocked.\nKeyslot {number} is selected for deletion.")
        if is_last(store.header, number):
            confirm(session, _LAST, PermissionDeniedError(_NOT_WIPED))
        kill_slot(store, number)
        session.explain(f"Key slot {number} removed.")


@action(app, "erase", "<device>", ignores=EVERYWHERE, example="kdumpkey erase /dev/sda2")
def erase_keyslots(
    run: Run, device: Device, header: HeaderChoice, factory_reset: HwOpalFactoryReset = False
) -> None:
    """Wipe all keyslots."""
    session = run.begin()
    if factory_reset:
        raise UsageError("kdumpkey resets no OPAL disks (--hw-opal-factory-reset); cryptsetup does.")
    with open_for_change(device, header) as store:
        confirm(
            session,
            f"This operation will erase all keyslots on device {device}.\n"
            "Device will become unusable after this operation.",
            PermissionDeniedError("Operation aborted, keyslots were NOT wiped.\n"),
        )
        for number in erase(store):
            session.explain(f"Key slot {number} removed.")


def _check_passphrase_remains(
    session: Session, store: HeaderStore, number: int, source: UnlockSource
) -> None:
    """Have a passphrase given that opens another keyslot, or of the last one that one's own.

    Standard input that is at its end, and no terminal, gives none: then none is asked for.
    """
    last = is_last(store.header, number)
    if last:
        confirm(session, _LAST, PermissionDeniedError(_NOT_WIPED))
    try:
        passphrase = read_passphrase(session, source.passphrase, "Enter any remaining passphrase: ")
    except NothingToReadError as error:
        if source.passphrase.key_file is not None:
            raise
        session.complain(str(error))
        return
    with passphrase, interruptible():
        opened = _open_one_of(store, passphrase, number, last, source.checks_memory)
    session.explain(f"Key slot {opened} unlocked.")


def _open_one_of(
    store: HeaderStore, passphrase: SecretBuffer, number: int, last: bool, check_memory: bool
) -> int:
    header = store.header
    if is_reencrypting(header):  # then the data open with a passphrase of both keys only
        keyslot_to_remove(store, passphrase, check_memory=check_memory)
    candidates = [number] if last else [other for other in sorted(header.keyslots) if other != number]
    for candidate in candidates:
        if not last and header.is_unbound(candidate):
            continue
        try:
            slot, search = header.keyslots[candidate], Search(check_memory=check_memory)
            open_keyslot(store.device, header, slot, passphrase, search).volume_key.close()
        except (KeyMismatchError, KeyslotError):
            continue
        return candidate
    raise WrongKeyError("No key available with this passphrase.")
