"""luksKillSlot, luksRemoveKey, erase: keyslots that go, and the questions before they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.cli.changing import key_file_argument, open_for_change
from kdumpkey.cli.passphrase import confirm, read_passphrase
from kdumpkey.cli.rules import slot_number
from kdumpkey.cli.unlocking import checks_memory, interruptible
from kdumpkey.errors import KeyMismatchError, KeyslotError, NothingToReadError, WrongKeyError
from kdumpkey.luks.remove_key import (
    check_active,
    erase,
    is_last,
    is_reencrypting,
    keyslot_to_remove,
    kill_slot,
)
from kdumpkey.luks.unlock import open_keyslot

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.secret import SecretBuffer

_LAST: Final = "This is the last keyslot. Device will become unusable after purging this key."
_NOT_WIPED: Final = "Operation aborted, the keyslot was NOT wiped.\n"


def luks_kill_slot(session: Session) -> None:
    """Wipe a keyslot by its number, once a passphrase of another one has been given."""
    number = slot_number(session.invocation.arguments[1])
    with open_for_change(session) as store:
        check_active(store.header, number)
        session.explain(f"Keyslot {number} is selected for deletion.")
        piped = not session.streams.stdin_is_terminal
        if not session.batch or piped or session.invocation.text("key-file") is not None:
            _check_passphrase_remains(session, store, number)
        kill_slot(store, number)
        session.explain(f"Key slot {number} removed.")


def luks_remove_key(session: Session) -> None:
    """Wipe the keyslot that a passphrase opens."""
    with open_for_change(session) as store:
        path = key_file_argument(session, "key-file")
        with (
            read_passphrase(session, "Enter passphrase to be deleted: ", path=path) as passphrase,
            interruptible(),
        ):
            number = keyslot_to_remove(store, passphrase, check_memory=checks_memory(session))
        session.explain(f"Key slot {number} unlocked.\nKeyslot {number} is selected for deletion.")
        if is_last(store.header, number):
            confirm(session, _LAST, _NOT_WIPED)
        kill_slot(store, number)
        session.explain(f"Key slot {number} removed.")


def erase_keyslots(session: Session) -> None:
    """Wipe all keyslots."""
    with open_for_change(session) as store:
        confirm(
            session,
            f"This operation will erase all keyslots on device {session.device}.\n"
            "Device will become unusable after this operation.",
            "Operation aborted, keyslots were NOT wiped.\n",
        )
        for number in erase(store):
            session.explain(f"Key slot {number} removed.")


def _check_passphrase_remains(session: Session, store: HeaderStore, number: int) -> None:
    """Have a passphrase given that opens another keyslot, or of the last one that one's own.

    Standard input that is at its end, and no terminal, gives none: then none is asked for.
    """
    last = is_last(store.header, number)
    if last:
        confirm(session, _LAST, _NOT_WIPED)
    try:
        passphrase = read_passphrase(session, "Enter any remaining passphrase: ")
    except NothingToReadError as error:
        if session.invocation.text("key-file") is not None:
            raise
        session.complain(str(error))
        return
    with passphrase, interruptible():
        opened = _open_one_of(store, passphrase, number, last, checks_memory(session))
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
            open_keyslot(
                store.device, header, header.keyslots[candidate], passphrase, check_memory=check_memory
            ).volume_key.close()
        except (KeyMismatchError, KeyslotError):
            continue
        return candidate
    raise WrongKeyError("No key available with this passphrase.")
