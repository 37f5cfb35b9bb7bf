"""Where a passphrase comes from: the terminal, a line of standard input, or a key file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.key_source import KeyringPassphrase
from kdumpkey.cli.keyfile import read_key, read_key_file
from kdumpkey.cli.session import Reported
from kdumpkey.errors import KeyringError, PermissionDeniedError, UsageError
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import PassphraseSource
    from kdumpkey.cli.session import Session

STDIN = "-"  # as the name of a key file


def is_typed(session: Session, source: PassphraseSource) -> bool:
    """Whether a person types the passphrase, and may try again."""
    if isinstance(source, KeyringPassphrase):
        return False
    return source.key_file in (None, STDIN) and session.streams.stdin_is_terminal


def read_passphrase(
    session: Session, source: PassphraseSource, prompt: str, *, verify: bool = False
) -> SecretBuffer:
    """Read one passphrase from where the options say.

    Args:
        session: The run.
        source: What the options say.
        prompt: What to ask at a terminal.
        verify: Ask twice there, also without --verify-passphrase.

    Raises:
        UsageError: No passphrase can be read.
        PermissionDeniedError: The two typed were not the same.
    """
    if isinstance(source, KeyringPassphrase):
        return passphrase_in_keyring(source.description)
    path = source.key_file
    verify = verify or source.verify
    if is_typed(session, source):
        return typed(session, prompt, verify, source.timeout_s)
    if verify:
        session.complain("Can't do passphrase verification on non-tty inputs.")
    offset, nbytes = source.keyfile_offset or 0, source.keyfile_size or None
    if path in (None, STDIN):
        return read_key(session.streams.stdin, offset=offset, nbytes=nbytes, line=path is None)
    return read_key_file(path or "", offset=offset, nbytes=nbytes)


def passphrase_in_keyring(description: str) -> SecretBuffer:
    """Read the passphrase that a key of type user holds.

    Raises:
        UsageError: There is no such key, or this process may not read it.
    """
    from kdumpkey import keyring  # noqa: PLC0415 - only for passphrases that lie in keyrings

    try:
        return keyring.read_key(keyring.request_key("user", description))
    except KeyringError as error:
        raise UsageError(f"{error}\nFailed to read passphrase from keyring.") from error


def confirm(session: Session, warning: str, refusal: Exception | None = None) -> None:
    """Have the user confirm what cannot be undone or gives a secret away; a terminal alone is asked.

    Args:
        session: The run.
        warning: What would happen.
        refusal: The error for any answer but YES; None: that permission was denied, without a word.

    Raises:
        Exception: The refusal.
        Reported: The answer was not YES, and there is no other refusal.
    """
    if session.batch or not session.streams.stdin_is_terminal:
        return
    from kdumpkey.cli.terminal import ask_line  # noqa: PLC0415 - only where there is a terminal

    streams = session.streams
    streams.say(f"\nWARNING!\n========\n{warning}\n")
    answer = ask_line(streams, "Are you sure? (Type 'yes' in capital letters): ")
    if answer is None:
        session.complain("Error reading response from terminal.")
    if answer != "YES":
        raise refusal or Reported(PermissionDeniedError("The answer was not YES."))


def typed(session: Session, prompt: str, verify: bool, timeout_s: int | None) -> SecretBuffer:
    """Ask for a passphrase at the terminal, twice with `verify`, and wait no longer than a time.

    Raises:
        UsageError: No passphrase can be read.
        PermissionDeniedError: The two typed were not the same.
    """
    from kdumpkey.cli.terminal import ask_secret  # noqa: PLC0415 - only where there is a terminal

    timeout_s = timeout_s or 0
    passphrase = ask_secret(session.streams, prompt, timeout_s=timeout_s)
    if not verify:
        return passphrase
    try:
        with ask_secret(session.streams, "Verify passphrase: ", timeout_s=timeout_s) as again:
            if passphrase.equals(again):
                return passphrase
        raise PermissionDeniedError("Passphrases do not match.")
    except BaseException:
        passphrase.close()
        raise
