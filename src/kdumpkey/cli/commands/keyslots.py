"""luksAddKey, luksChangeKey, luksConvertKey: keyslots made, and made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device, KeyFileArgument
from kdumpkey.cli.changing import (
    NewKeyfilePart,
    as_device,
    check_costs,
    check_recipe,
    open_for_change,
    read_new_passphrase,
    recipe,
    report_costs,
)
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.interruptible import interruptible
from kdumpkey.cli.kdf_choice import KdfChoice
from kdumpkey.cli.key_hint import hinting
from kdumpkey.cli.key_source import KeyringPassphrase, KeySource, UnlockSource, by_key
from kdumpkey.cli.keyring_key import volume_key_in_keyring
from kdumpkey.cli.options import (
    EVERYWHERE,
    ExternalTokensPath,
    KeySize,
    KeySlot,
    NewKeyfile,
    NewKeySlot,
    NewPassphraseKey,
    NewTokenId,
    PassphraseKey,
    Unbound,
    VolumeKeyFile,
    VolumeKeyKeyring,
)
from kdumpkey.cli.passphrase import STDIN, passphrase_in_keyring, read_passphrase
from kdumpkey.cli.refusing import refuse_external_tokens
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.cli.unlocking import KeyslotRequest, by_token
from kdumpkey.errors import KeyslotError, UsageError
from kdumpkey.luks.add_key import add_key, add_unbound_key
from kdumpkey.luks.change_key import change_key
from kdumpkey.luks.configure import assign_token
from kdumpkey.luks.unlock_by_token import token_passphrase
from kdumpkey.luks.volume_key import verify_volume_key
from kdumpkey.luks.volume_key_file import read_exactly, read_volume_key
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.luks.unlock import Unlocked

app = typer.Typer()
_NEW = "Enter new passphrase for key slot: "


@action(
    app,
    "luksAddKey",
    "<device> [<new key file>]",
    ignores=EVERYWHERE,
    example="kdumpkey luksAddKey /dev/sda2 --new-key-slot 3",
)
def luks_add_key(
    run: Run,
    device: Device,
    header: HeaderChoice,
    source: UnlockSource,
    kdf: KdfChoice,
    part: NewKeyfilePart,
    new_key_file: KeyFileArgument = None,
    new_keyfile: NewKeyfile = None,
    new_key_slot: NewKeySlot = None,
    key_slot: KeySlot = None,
    volume_key_file: VolumeKeyFile = None,
    key_size_bits: KeySize = None,
    volume_key_keyring: VolumeKeyKeyring = None,
    unbound: Unbound = False,
    new_token_id: NewTokenId = None,
    passphrase_key: PassphraseKey = None,
    new_passphrase_key: NewPassphraseKey = None,
    external_tokens: ExternalTokensPath = None,
) -> None:
    """Add a passphrase, or with --unbound a key of its own."""
    check_costs(kdf)
    if unbound and not key_size_bits:
        raise UsageError("Key size is required with --unbound option.")
    session = run.begin()
    refuse_external_tokens(external_tokens)
    source = replace(source, passphrase=by_key(source.passphrase, passphrase_key))
    old, new = key_slot, new_key_slot
    if new is None and old is not None:
        if not unbound and not session.batch:
            session.say("WARNING: The --key-slot parameter is used for new keyslot number.")
        old, new = None, old
    new_file = new_keyfile if new_key_file is None else new_key_file  # of two, cryptsetup takes the argument
    with open_for_change(device, header, version=2 if unbound else None) as store:
        check_recipe(kdf, store.header)
        token = new_token_id if new_file is None else None
        keys = KeySource(source, old, key_size_bits, volume_key_file, volume_key_keyring)
        wanted = _NewPassphrase(new_file, part, token, new_passphrase_key)
        with (
            _unbound_key(volume_key_file, (key_size_bits or 0) // 8)
            if unbound
            else _existing_key(session, store, keys) as key,
            _new_passphrase(session, store, source, wanted) as passphrase,
            interruptible(),
        ):
            how = recipe(kdf, store.header, check_memory=source.checks_memory)
            add = add_unbound_key if unbound else add_key
            number = add(store, key, passphrase, how, keyslot=new)
        if token is not None:
            assign_token(store, token, number)
        session.explain(f"Key slot {number} created.")
        report_costs(session, kdf, how.kdf)


@action(
    app,
    "luksChangeKey",
    "<device> [<key file>]",
    ignores=EVERYWHERE,
    example="kdumpkey luksChangeKey /dev/sda2 --key-slot 0",
)
def luks_change_key(
    run: Run,
    device: Device,
    header: HeaderChoice,
    source: UnlockSource,
    kdf: KdfChoice,
    part: NewKeyfilePart,
    new_key_file: KeyFileArgument = None,
    key_slot: KeySlot = None,
) -> None:
    """Change a passphrase."""
    check_costs(kdf)
    session = run.begin()
    with open_for_change(device, header) as store:
        check_recipe(kdf, store.header)
        with (
            read_passphrase(session, source.passphrase, "Enter passphrase to be changed: ") as old,
            hinting(session, source.passphrase, old),
            interruptible(),
        ):
            opened = as_device(store).unlock(
                old, keyslot=key_slot, unbound=True, check_memory=source.checks_memory
            )
        with opened:
            session.explain(f"Key slot {opened.keyslot} unlocked.")
            with read_new_passphrase(
                session, "Enter new passphrase: ", new_key_file, part, source.passphrase
            ) as passphrase:
                _change(session, store, opened, passphrase, _Change(kdf, source, stay=key_slot is not None))


@action(
    app,
    "luksConvertKey",
    "<device> [<key file>]",
    ignores=EVERYWHERE,
    example="kdumpkey luksConvertKey /dev/sda2 --pbkdf argon2id",
)
def luks_convert_key(
    run: Run,
    device: Device,
    header: HeaderChoice,
    source: UnlockSource,
    kdf: KdfChoice,
    key_slot: KeySlot = None,
) -> None:
    """Change the key derivation function of a passphrase's keyslot."""
    check_costs(kdf)
    session = run.begin()
    with open_for_change(device, header, version=2) as store:
        if key_slot is not None and key_slot not in store.header.keyslots:
            raise KeyslotError(f"Keyslot {key_slot} is not active.")
        check_recipe(kdf, store.header)
        prompt = "Enter passphrase for keyslot to be converted: "
        with (
            read_passphrase(session, source.passphrase, prompt) as passphrase,
            hinting(session, source.passphrase, passphrase),
            interruptible(),
            as_device(store).unlock(
                passphrase, keyslot=key_slot, unbound=True, check_memory=source.checks_memory
            ) as opened,
        ):
            _change(session, store, opened, passphrase, _Change(kdf, source, stay=key_slot is not None))


@dataclass(frozen=True)
class _Change:
    """How a keyslot is made anew, and whether it keeps its number in any case."""

    kdf: KdfChoice
    source: UnlockSource
    stay: bool


def _change(
    session: Session, store: HeaderStore, opened: Unlocked, passphrase: SecretBuffer, wanted: _Change
) -> None:
    with interruptible():
        how = recipe(wanted.kdf, store.header, check_memory=wanted.source.checks_memory)
        number = change_key(store, opened, passphrase, how, stay=wanted.stay)
    session.explain(f"Key slot {number} created.")
    report_costs(session, wanted.kdf, how.kdf)


@dataclass(frozen=True)
class _NewPassphrase:
    """Where a new passphrase comes from: a part of a file, a token, or a key of the user keyring."""

    path: str | None
    part: NewKeyfilePart
    token: int | None = None
    description: str | None = None


def _new_passphrase(
    session: Session, store: HeaderStore, source: UnlockSource, wanted: _NewPassphrase
) -> SecretBuffer:
    """The new passphrase: from a keyring, by a token that names its key, or as the other options say."""
    if wanted.description is not None:
        return passphrase_in_keyring(wanted.description)
    if wanted.token is not None:
        return token_passphrase(store.header, wanted.token)
    return read_new_passphrase(session, _NEW, wanted.path, wanted.part, source.passphrase)


def _unbound_key(path: str | None, nbytes: int) -> SecretBuffer:
    """A key that opens no segment: from its file, or a random one."""
    return SecretBuffer.random(nbytes) if path is None else read_exactly(path, nbytes)


@contextmanager
def _existing_key(session: Session, store: HeaderStore, keys: KeySource) -> Iterator[SecretBuffer]:
    """The volume key: from its file or keyring, by a token if one is asked for, or by any passphrase."""
    luks, source, keyslot = as_device(store), keys.unlock, keys.key_slot
    if keys.volume_key_file is not None:
        with read_volume_key(keys.volume_key_file, luks.header, keys.key_size_bits) as key:
            verify_volume_key(store.header, key)
            yield key
        return
    if keys.volume_key_keyring is not None:
        with volume_key_in_keyring(keys.volume_key_keyring) as key:
            verify_volume_key(store.header, key)
            yield key
        return
    if not store.header.keyslots:
        raise KeyslotError("Cannot add key slot, all slots disabled and no volume key provided.")
    opened, key_file = None, source.passphrase.key_file
    if key_file is None and source.tokens.is_given:
        opened = by_token(session, luks, source, KeyslotRequest(keyslot))
        if opened is None and source.tokens.token_only:
            raise Reported(KeyslotError("No usable token is available."))
    if opened is None:
        with (
            read_passphrase(session, source.passphrase, "Enter any existing passphrase: ") as passphrase,
            hinting(session, source.passphrase, passphrase),
            interruptible(),
        ):
            opened = luks.unlock(passphrase, keyslot=keyslot, check_memory=source.checks_memory)
    with opened:
        if key_file in (None, STDIN) or isinstance(source.passphrase, KeyringPassphrase):
            session.explain(f"Key slot {opened.keyslot} unlocked.")
        yield opened.volume_key
