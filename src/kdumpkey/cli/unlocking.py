"""From the options to the volume key: by key file, keyring, token, or a passphrase with its tries."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kdumpkey._native import pbkdf2
from kdumpkey.cli.key_hint import hinting
from kdumpkey.cli.key_source import KeySource, MachineChoice, UnlockSource
from kdumpkey.cli.passphrase import is_typed, read_passphrase
from kdumpkey.cli.progress import deriving_line
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import (
    CancelledError,
    KeyringError,
    KeyslotError,
    ResourceError,
    UsageError,
    WrongKeyError,
)
from kdumpkey.luks.volume_key_file import key_size, read_exactly

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.unlock import Deriving, Unlocked
    from kdumpkey.secret import SecretBuffer

_TRIES: Final = 3
_NOT_IN_KEYRING: Final = "Failed to read volume key candidate from keyring."


@contextmanager
def volume_key(
    session: Session,
    luks: LuksDevice,
    keys: KeySource,
    *,
    unbound: bool = False,
    serialize: bool = False,
    every_key: bool = False,
) -> Iterator[tuple[SecretBuffer, int | None]]:
    """The volume key that the options lead to, checked, and the keyslot that it came out of.

    Args:
        session: The run.
        luks: The open device.
        keys: What the options say.
        unbound: Whether keyslots that are bound to no segment count.
        serialize: Whether to take turns with others that derive keys in much memory.
        every_key: As for `unlocked`.

    Raises:
        WrongKeyError: The passphrase opens nothing, or the key is another volume's.
        KdumpkeyError: Whatever else was wrong.
    """
    if keys.volume_key_file is not None:
        with read_exactly(keys.volume_key_file, key_size(luks.header, keys.key_size_bits)) as key:
            luks.verify(key)
            yield key, None
        return
    if keys.volume_key_keyring is not None:
        with _from_keyring(session, keys.volume_key_keyring, keys.machine) as key:
            luks.verify(key)
            yield key, None
        return
    if keys.from_kdump:
        from kdumpkey.cli.from_kdump import key_handed_over  # noqa: PLC0415 - the kdump kernel's alone

        with key_handed_over(session, luks, keys.machine) as key:
            yield key, None
        return
    with unlocked(
        session,
        luks,
        keys.unlock,
        key_slot=keys.key_slot,
        unbound=unbound,
        machine=keys.machine,
        serialize=serialize,
        every_key=every_key,
    ) as opened:
        session.explain(f"Key slot {opened.keyslot} unlocked.")
        yield opened.volume_key, opened.keyslot


def unlocked(
    session: Session,
    luks: LuksDevice,
    source: UnlockSource,
    *,
    key_slot: int | None = None,
    unbound: bool = False,
    tokens: bool = True,
    tries: int | None = None,
    machine: MachineChoice | None = None,
    serialize: bool = False,
    every_key: bool = False,
) -> Unlocked:
    """Unlock a keyslot: by a token, else by the passphrase from where the options say.

    Args:
        session: The run.
        luks: The open device.
        source: What the options say.
        key_slot: The keyslot to unlock; None: any.
        unbound: Whether keyslots that are bound to no segment count.
        tokens: Whether tokens are tried.
        tries: How often a person may type the passphrase; default: what --tries says, or 3.
        machine: Whose kernel may have handed keys over.
        serialize: Whether to take turns with others that derive keys in much memory.
        every_key: Whether it must open both keys of a reencryption that was begun, unless `key_slot` is one.

    Raises:
        WrongKeyError: It opens none, at the last try too where a person types.
        KdumpkeyError: Whatever else was wrong.
    """
    if (
        tokens
        and (
            opened := by_token(session, luks, source, key_slot=key_slot, unbound=unbound, serialize=serialize)
        )
        is not None
    ):
        return opened
    if source.tokens.token_only:
        raise KeyslotError("")
    prompt = f"Enter passphrase for {luks.device.name}: "
    if tries is None:
        tries = _TRIES if source.tries is None else source.tries

    def attempt(passphrase: SecretBuffer) -> Unlocked:
        try:
            with cancellable(luks.header), deriving_line(session.streams) as deriving:
                opened = luks.unlock(
                    passphrase,
                    keyslot=key_slot,
                    unbound=unbound,
                    check_memory=source.checks_memory,
                    serialize=serialize,
                    deriving=deriving,
                )
                if every_key and key_slot is None:
                    _check_other_keys(luks, passphrase, opened, source.checks_memory, serialize, deriving)
                return opened
        except ResourceError:
            from kdumpkey.cli.from_kdump import keys_are_handed_over  # noqa: PLC0415 - when all else has failed

            if keys_are_handed_over(session, machine or MachineChoice()):
                session.complain(
                    "A kdump kernel has no memory for a passphrase; --from-kdump takes the key handed over."
                )
            raise

    return with_tries(session, source, prompt, tries, attempt)


def _check_other_keys(
    luks: LuksDevice,
    passphrase: SecretBuffer,
    opened: Unlocked,
    check_memory: bool,
    serialize: bool,
    deriving: Deriving | None,
) -> None:
    from kdumpkey.luks.unlock import check_other_keys  # noqa: PLC0415 - luksFormat needs none

    try:
        check_other_keys(
            luks.header_device,
            luks.header,
            passphrase,
            opened,
            check_memory=check_memory,
            serialize=serialize,
            deriving=deriving,
        )
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


@contextmanager
def cancellable(header: LuksHeader) -> Iterator[None]:
    """Have Ctrl-C cancel the derivation of a key: what it used is wiped, and the program says so.

    OpenSSL, which derives keys with the rarer hashes, cannot be cancelled: Ctrl-C ends the process then.

    Args:
        header: The header whose keyslots are tried.

    Raises:
        CancelledError: Ctrl-C was pressed.
    """
    if not _pbkdf2_hashes(header) <= set(pbkdf2.hashes()):
        with interruptible():
            yield
        return
    try:
        yield
    except KeyboardInterrupt as error:
        raise CancelledError("Interrupted.") from error


def _pbkdf2_hashes(header: LuksHeader) -> set[str]:
    """The hashes that PBKDF2 runs with, in keyslots and digests."""
    keyslots = (slot.kdf.hash for slot in header.keyslots.values() if isinstance(slot.kdf, Pbkdf2))
    return {name.lower() for name in (*keyslots, *(digest.hash for digest in header.digests.values()))}


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process while C code computes for seconds; nothing is half done by then."""
    at_terminal = threading.current_thread() is threading.main_thread()
    if not at_terminal or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def by_token(
    session: Session,
    luks: LuksDevice,
    source: UnlockSource,
    *,
    key_slot: int | None = None,
    unbound: bool = False,
    serialize: bool = False,
) -> Unlocked | None:
    """Unlock a keyslot by the tokens that the options name, or any; None: no token could.

    Raises:
        WrongKeyError: None fits, and nothing but tokens is to be tried.
    """
    wanted, number = source.tokens.token_type, source.tokens.token_id
    if not luks.header.tokens:
        opened = None
    else:
        from kdumpkey.luks.unlock_by_token import unlock_by_token  # noqa: PLC0415 - few headers have tokens

        try:
            with cancellable(luks.header), deriving_line(session.streams) as deriving:
                opened = unlock_by_token(
                    luks,
                    token_id=number,
                    token_type=wanted,
                    keyslot=key_slot,
                    unbound=unbound,
                    check_memory=source.checks_memory,
                    serialize=serialize,
                    deriving=deriving,
                )
        except WrongKeyError:
            if number is not None or wanted:
                which = f"(type {wanted})" if number is None else number
                session.explain(
                    f"Token {which} cannot unlock assigned keyslot(s) (wrong keyslot passphrase)."
                )
            if source.tokens.token_only:
                raise
            return None
    if opened is None and luks.header.version == 2:
        session.explain(f"No usable token {f'(type {wanted}) ' if wanted else ''}is available.")
    return opened


def _from_keyring(session: Session, source: str, machine: MachineChoice) -> SecretBuffer:
    from kdumpkey.cli.machines import names_machine  # noqa: PLC0415

    try:
        if names_machine(session, machine):
            from kdumpkey.cli.from_kdump import read_simulated  # noqa: PLC0415

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
    from kdumpkey import keyring  # noqa: PLC0415 - only who asks for keyrings pays for them

    try:
        return keyring.read_volume_key(keyring.parse_volume_key_source(source))
    except KeyringError as error:
        raise UsageError(_NOT_IN_KEYRING) from error
