"""Unlocking by a token: a keyring token names a key of the kernel's that holds the passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import KeyringError, KeyslotError, WrongKeyError
from kdumpkey.keyring import read_key, request_key
from kdumpkey.luks.model import KEYRING_TOKEN
from kdumpkey.luks.unlock import EVERY_BOUND_KEYSLOT, Search, Unlocked, unlock

if TYPE_CHECKING:
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader, Token
    from kdumpkey.secret import SecretBuffer


def unlock_by_token(
    luks: LuksDevice,
    search: Search = EVERY_BOUND_KEYSLOT,
    *,
    token_id: int | None = None,
    token_type: str | None = None,
) -> Unlocked | None:
    """Try the tokens of a header for which nobody has to type anything.

    Args:
        luks: The open device.
        search: Which of their keyslots to try.
        token_id: Try this token alone.
        token_type: Try tokens of this type alone.

    Returns:
        What was opened; None if no token can be used.

    Raises:
        WrongKeyError: Tokens can be used, and the key of none opens a keyslot.
        KdumpkeyError: As `kdumpkey.luks.unlock.unlock`.
    """
    usable = [
        token
        for token in luks.header.tokens.values()
        if token.type == KEYRING_TOKEN
        and token_id in (None, token.id)
        and token_type in (None, token.type)
        and (search.keyslot is None or search.keyslot in token.keyslots)
    ]
    if not usable:
        return None
    for token in usable:
        try:
            return _unlock(luks, token, search)
        except (KeyringError, WrongKeyError, KeyslotError):
            continue
    numbers = ", ".join(str(token.id) for token in usable)
    raise WrongKeyError(f"No key of a token opens a keyslot (tokens tried: {numbers}).")


def token_passphrase(header: LuksHeader, number: int) -> SecretBuffer:
    """The passphrase that a keyring token of a header names, which the caller closes.

    Raises:
        KeyslotError: The header has no keyring token of this number.
        WrongKeyError: The key that it names cannot be read.
    """
    token = header.tokens.get(number)
    if token is None or token.type != KEYRING_TOKEN:
        raise KeyslotError("No usable token is available.")
    try:
        return _passphrase(token)
    except KeyringError as error:
        raise WrongKeyError(f"Token {number} gives no passphrase: {error}") from error


def _passphrase(token: Token) -> SecretBuffer:
    description = token.json.get("key_description")
    return read_key(request_key("user", description if isinstance(description, str) else ""))


def _unlock(luks: LuksDevice, token: Token, search: Search) -> Unlocked:
    among = token.keyslots if search.keyslot is None else (search.keyslot,)
    with _passphrase(token) as passphrase:
        return unlock(luks.header_device, luks.header, passphrase, search._replace(keyslot=None, among=among))
