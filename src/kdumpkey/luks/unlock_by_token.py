"""Unlocking by a token: a keyring token names a key of the kernel's that holds the passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyringError, KeyslotError, WrongKeyError
from kdumpkey.luks.model import KEYRING_TOKEN
from kdumpkey.luks.unlock import Unlocked, unlock

if TYPE_CHECKING:
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader, Token
    from kdumpkey.luks.unlock import Deriving
    from kdumpkey.secret import SecretBuffer


def unlock_by_token(
    luks: LuksDevice,
    *,
    token_id: int | None = None,
    token_type: str | None = None,
    keyslot: int | None = None,
    unbound: bool = False,
    check_memory: bool = True,
    serialize: bool = False,
    deriving: Deriving | None = None,
) -> Unlocked | None:
    """Try the tokens of a header that need nobody to type anything.

    Args:
        luks: The open device.
        token_id: Try this token alone.
        token_type: Try tokens of this type alone.
        keyslot: Try this keyslot of theirs alone.
        unbound: Also try keyslots whose key opens no segment.
        check_memory: Compare the memory of Argon2 with what is available before it runs.
        serialize: Wait for other processes that run Argon2 with much memory, cryptsetup's included.
        deriving: Told how far Argon2 has come; may raise to cancel.

    Returns:
        What was opened; None if there is no token that could be used.

    Raises:
        WrongKeyError: There are such tokens, and none has a key that opens a keyslot.
        KdumpkeyError: As `kdumpkey.luks.unlock.unlock`.
    """
    usable = [
        token
        for token in luks.header.tokens.values()
        if token.type == KEYRING_TOKEN
        and token_id in (None, token.id)
        and token_type in (None, token.type)
        and (keyslot is None or keyslot in token.keyslots)
    ]
    if not usable:
        return None
    for token in usable:
        try:
            return _unlock(luks, token, keyslot, unbound, check_memory, serialize, deriving)
        except (KeyringError, WrongKeyError, KeyslotError):
            continue
    raise WrongKeyError("")


def token_passphrase(header: LuksHeader, number: int) -> SecretBuffer:
    """The passphrase that a keyring token of a header names, which the caller closes.

    Raises:
        KeyslotError: The header has no keyring token of this number.
        WrongKeyError: The key that it names cannot be had.
    """
    token = header.tokens.get(number)
    if token is None or token.type != KEYRING_TOKEN:
        raise KeyslotError("No usable token is available.")
    try:
        return _passphrase(token)
    except KeyringError as error:
        raise WrongKeyError(f"Token {number} gives no passphrase: {error}") from error


def _passphrase(token: Token) -> SecretBuffer:
    from kdumpkey import keyring  # noqa: PLC0415 - only headers with tokens pay for it

    description = token.json.get("key_description")
    return keyring.read_key(keyring.request_key("user", description if isinstance(description, str) else ""))


def _unlock(
    luks: LuksDevice,
    token: Token,
    keyslot: int | None,
    unbound: bool,
    check_memory: bool,
    serialize: bool,
    deriving: Deriving | None,
) -> Unlocked:
    with _passphrase(token) as passphrase:
        return unlock(
            luks.header_device,
            luks.header,
            passphrase,
            unbound=unbound,
            among=token.keyslots if keyslot is None else (keyslot,),
            check_memory=check_memory,
            serialize=serialize,
            deriving=deriving,
        )
