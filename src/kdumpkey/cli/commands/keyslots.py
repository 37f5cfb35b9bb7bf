"""luksAddKey, luksChangeKey, luksConvertKey: keyslots made, and made anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kdumpkey.cli.changing import (
    as_device,
    check_recipe,
    key_file_argument,
    open_for_change,
    read_new_passphrase,
    recipe,
)
from kdumpkey.cli.keyfile import read_exactly
from kdumpkey.cli.passphrase import STDIN, read_passphrase
from kdumpkey.cli.unlocking import by_token, checks_memory, interruptible, key_size
from kdumpkey.errors import KeyslotError, UsageError
from kdumpkey.luks.add_key import add_key, add_unbound_key
from kdumpkey.luks.change_key import change_key
from kdumpkey.luks.unlock import verify_volume_key
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdumpkey.cli.session import Session
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.luks.unlock import Unlocked

_NEW = "Enter new passphrase for key slot: "


def luks_add_key(session: Session) -> None:
    """Add a passphrase, or with --unbound a key of its own."""
    options = session.invocation
    old, new = options.number("key-slot"), options.number("new-key-slot")
    unbound = options.flag("unbound")
    if new is None and old is not None:
        if not unbound and not session.batch:
            session.say("WARNING: The --key-slot parameter is used for new keyslot number.")
        old, new = None, old
    new_file = key_file_argument(session, "new-keyfile")
    with open_for_change(session, version=2 if unbound else None) as store:
        check_recipe(session, store.header)
        if options.flag("new-token-id") and new_file is None:
            raise UsageError("kdumpkey takes no new passphrase from a token; cryptsetup does.")
        if unbound:
            number = _add_unbound(session, store, new, new_file)
        else:
            with (
                _existing_key(session, store, old) as volume_key,
                read_new_passphrase(session, _NEW, new_file) as passphrase,
                interruptible(),
            ):
                how = recipe(session, store.header)
                number = add_key(store, volume_key, passphrase, how, keyslot=new)
        session.explain(f"Key slot {number} created.")


def luks_change_key(session: Session) -> None:
    """Change a passphrase."""
    new_file = key_file_argument(session, "new-keyfile")
    with open_for_change(session) as store:
        check_recipe(session, store.header)
        with _opened(session, store, "Enter passphrase to be changed: ") as opened:
            session.explain(f"Key slot {opened.keyslot} unlocked.")
            with read_new_passphrase(session, "Enter new passphrase: ", new_file) as passphrase:
                _change(session, store, opened, passphrase)


def luks_convert_key(session: Session) -> None:
    """Change the key derivation function of a passphrase's keyslot."""
    with open_for_change(session, version=2) as store:
        wanted = session.invocation.number("key-slot")
        if wanted is not None and wanted not in store.header.keyslots:
            raise KeyslotError(f"Keyslot {wanted} is not active.")
        check_recipe(session, store.header)
        prompt = "Enter passphrase for keyslot to be converted: "
        with (
            read_passphrase(session, prompt) as passphrase,
            interruptible(),
            as_device(store).unlock(
                passphrase, keyslot=wanted, unbound=True, check_memory=checks_memory(session)
            ) as opened,
        ):
            _change(session, store, opened, passphrase)


def _change(session: Session, store: HeaderStore, opened: Unlocked, passphrase: SecretBuffer) -> None:
    stay = session.invocation.number("key-slot") is not None
    with interruptible():
        number = change_key(store, opened, passphrase, recipe(session, store.header), stay=stay)
    session.explain(f"Key slot {number} created.")


def _opened(session: Session, store: HeaderStore, prompt: str) -> Unlocked:
    with read_passphrase(session, prompt) as passphrase, interruptible():
        return as_device(store).unlock(
            passphrase,
            keyslot=session.invocation.number("key-slot"),
            unbound=True,
            check_memory=checks_memory(session),
        )


@contextmanager
def _existing_key(session: Session, store: HeaderStore, keyslot: int | None) -> Iterator[SecretBuffer]:
    """The volume key: from its file, by a token if one is asked for, or by any passphrase."""
    options = session.invocation
    luks = as_device(store)
    if (path := options.text("volume-key-file")) is not None:
        with read_exactly(path, key_size(session, luks)) as key:
            verify_volume_key(store.header, key)
            yield key
        return
    if not store.header.keyslots:
        raise KeyslotError("Cannot add key slot, all slots disabled and no volume key provided.")
    opened, key_file = None, options.text("key-file")
    if key_file is None and any(options.flag(name) for name in ("token-id", "token-type", "token-only")):
        opened = by_token(session, luks)
        if opened is None and options.flag("token-only"):
            raise KeyslotError("")
    if opened is None:
        with read_passphrase(session, "Enter any existing passphrase: ") as passphrase, interruptible():
            opened = luks.unlock(passphrase, keyslot=keyslot, check_memory=checks_memory(session))
    with opened:
        if key_file in (None, STDIN):
            session.explain(f"Key slot {opened.keyslot} unlocked.")
        yield opened.volume_key


def _add_unbound(session: Session, store: HeaderStore, number: int | None, new_file: str | None) -> int:
    nbytes = (session.invocation.number("key-size") or 0) // 8
    path = session.invocation.text("volume-key-file")
    with (
        read_exactly(path, nbytes) if path is not None else SecretBuffer.random(nbytes) as key,
        read_new_passphrase(session, _NEW, new_file) as passphrase,
        interruptible(),
    ):
        return add_unbound_key(store, key, passphrase, recipe(session, store.header), keyslot=number)
