"""From the options to the volume key: by key file, keyring, token, or a passphrase with its tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.interruptible import cancellable
from kdumpkey.cli.key_hint import hinting
from kdumpkey.cli.key_source import THIS_MACHINE, KeySource, MachineChoice, UnlockSource
from kdumpkey.cli.passphrase import is_typed, read_passphrase
from kdumpkey.cli.progress import deriving_line
from kdumpkey.cli.session import Reported
from kdumpkey.errors import KeyslotError, ResourceError, WrongKeyError
from kdumpkey.luks.unlock import Search, Unlocked, check_other_keys, unlock
from kdumpkey.luks.volume_key_file import read_volume_key

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer

_TRIES: Final = 3


@dataclass(frozen=True)
class KeyslotRequest:
    """What keyslot is to be opened, and by what besides a passphrase.

    Attributes:
        key_slot: The keyslot; None: any.
        unbound: Keyslots that are bound to no segment count, too.
        serialize: Take turns with others that derive keys in much memory.
        every_key: The passphrase must open both keys of a reencryption that was begun, unless `key_slot` is
            one.
        tokens: Tokens are tried.
        tries: How often a person may type the passphrase; None: what --tries says, or 3.
        machine: Whose kernel may have handed keys over.
    """

    key_slot: int | None = None
    unbound: bool = False
    serialize: bool = False
    every_key: bool = False
    tokens: bool = True
    tries: int | None = None
    machine: MachineChoice = THIS_MACHINE

    def search(self, source: UnlockSource) -> Search:
        """Which keyslots to try, and how."""
        return Search(
            self.key_slot, self.unbound, check_memory=source.checks_memory, serialize=self.serialize
        )


ANY_KEYSLOT: Final = KeyslotRequest()


@contextmanager
def volume_key(
    session: Session, luks: LuksDevice, keys: KeySource, request: KeyslotRequest = ANY_KEYSLOT
) -> Iterator[tuple[SecretBuffer, int | None]]:
    """The volume key that the options lead to, checked, and the keyslot that it came out of.

    Args:
        session: The run.
        luks: The open device.
        keys: What the options say.
        request: What may be opened, but for the keyslot and the machine, which the options name.

    Raises:
        WrongKeyError: The passphrase opens nothing, or the key is another volume's.
        KdumpkeyError: The key cannot be read, or the keyslot cannot be opened.
    """
    if keys.volume_key_file is not None:
        with read_volume_key(keys.volume_key_file, luks.header, keys.key_size_bits) as key:
            luks.verify(key)
            yield key, None
        return
    if keys.volume_key_keyring is not None:
        from kdumpkey.cli.keyring_key import from_keyring  # noqa: PLC0415 - few keys lie in keyrings

        with from_keyring(session, keys.volume_key_keyring, keys.machine) as key:
            luks.verify(key)
            yield key, None
        return
    if keys.from_kdump:
        from kdumpkey.cli.from_kdump import key_handed_over  # noqa: PLC0415 - the kdump kernel's alone

        with key_handed_over(session, luks, keys.machine) as key:
            yield key, None
        return
    request = replace(request, key_slot=keys.key_slot, machine=keys.machine)
    with unlocked(session, luks, keys.unlock, request) as opened:
        session.explain(f"Key slot {opened.keyslot} unlocked.")
        yield opened.volume_key, opened.keyslot


def unlocked(
    session: Session, luks: LuksDevice, source: UnlockSource, request: KeyslotRequest = ANY_KEYSLOT
) -> Unlocked:
    """Unlock a keyslot: by a token, else by the passphrase from where the options say.

    Args:
        session: The run.
        luks: The open device.
        source: What the options say.
        request: What may be opened.

    Raises:
        WrongKeyError: It opens none, at the last try too where a person types.
        KdumpkeyError: The passphrase cannot be read, or the keyslot cannot be opened.
    """
    opened = by_token(session, luks, source, request) if request.tokens else None
    if opened is not None:
        return opened
    if source.tokens.token_only:
        raise Reported(KeyslotError("No usable token is available."))
    prompt = f"Enter passphrase for {luks.device.name}: "
    tries = _TRIES if source.tries is None else source.tries
    search = request.search(source)

    def attempt(passphrase: SecretBuffer) -> Unlocked:
        try:
            with cancellable(luks.header), deriving_line(session.streams) as deriving:
                how = search._replace(deriving=deriving)
                opened = unlock(luks.header_device, luks.header, passphrase, how)
                if request.every_key and request.key_slot is None:
                    _check_other_keys(luks, passphrase, opened, how)
                return opened
        except ResourceError:
            from kdumpkey.cli.from_kdump import keys_are_handed_over  # noqa: PLC0415 - when all else has failed

            if keys_are_handed_over(session, request.machine):
                session.complain(
                    "A kdump kernel has no memory for a passphrase; --from-kdump takes the key handed over."
                )
            raise

    return with_tries(session, source, prompt, tries if request.tries is None else request.tries, attempt)


def _check_other_keys(luks: LuksDevice, passphrase: SecretBuffer, opened: Unlocked, search: Search) -> None:
    try:
        check_other_keys(luks.header_device, luks.header, passphrase, opened, search)
    except BaseException:
        opened.volume_key.close()
        raise


def with_tries(
    session: Session,
    source: UnlockSource,
    prompt: str,
    tries: int,
    attempt: Callable[[SecretBuffer], Unlocked],
) -> Unlocked:
    """Ask for a passphrase and try it; where a person types it, `tries` times.

    Raises:
        WrongKeyError: The last one was wrong, too.
    """
    tries = tries if is_typed(session, source.passphrase) else 1
    while True:
        with read_passphrase(session, source.passphrase, prompt) as passphrase:
            try:
                with hinting(session, source.passphrase, passphrase):
                    return attempt(passphrase)
            except WrongKeyError as error:
                tries -= 1
                if tries <= 0:
                    raise
                session.complain(str(error))


def by_token(
    session: Session, luks: LuksDevice, source: UnlockSource, request: KeyslotRequest = ANY_KEYSLOT
) -> Unlocked | None:
    """Unlock a keyslot by the tokens that the options name, or any; None: no token could.

    Raises:
        Reported: None fits, and nothing but tokens is to be tried.
    """
    wanted, number = source.tokens.token_type, source.tokens.token_id
    opened = None
    if luks.header.tokens:
        from kdumpkey.luks.unlock_by_token import unlock_by_token  # noqa: PLC0415 - few headers have tokens

        try:
            with cancellable(luks.header), deriving_line(session.streams) as deriving:
                search = request.search(source)._replace(deriving=deriving)
                opened = unlock_by_token(luks, search, token_id=number, token_type=wanted)
        except WrongKeyError as error:
            if number is not None or wanted:
                which = f"(type {wanted})" if number is None else number
                session.explain(
                    f"Token {which} cannot unlock assigned keyslot(s) (wrong keyslot passphrase)."
                )
            if source.tokens.token_only:
                raise Reported(error) from error
            return None
    if opened is None and luks.header.version == 2:
        session.explain(f"No usable token {f'(type {wanted}) ' if wanted else ''}is available.")
    return opened
