"""Changes to a header besides its keys: names, priorities, flags and tokens, each made under the lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.errors import HeaderError, KeyslotError, UsageError
from kdumpkey.luks import header_changes, layout, luks1, strict_json
from kdumpkey.luks.identity import checked_uuid
from kdumpkey.luks.model import KEYRING_TOKEN, Luks1Header, Luks2Header
from kdumpkey.luks.requirements import check_requirements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.luks.strict_json import JsonObject

_WHITE_SPACE: Final = b" \t\n\r"  # of JSON: an editor ends every file with a newline
_RESERVED: Final = "luks2-"
_KEYRING_MEMBERS: Final = 3
_LONGEST_DESCRIPTION: Final = 4095  # bytes
PRIORITIES: Final = {"ignore": 0, "normal": None, "prefer": 2}


def set_uuid(store: HeaderStore, text: str) -> None:
    """Give a header another UUID.

    Raises:
        UsageError: It is not a UUID.
        KdumpkeyError: As `luks.store`.
    """
    wanted = checked_uuid(text)
    with store.changing() as header:
        check_requirements(header, "luksUUID --uuid")
        match header:
            case Luks1Header():
                store.write(luks1.rebuilt(header, uuid=wanted))
            case Luks2Header():
                store.write(header._replace(uuid=wanted))
            case _:
                assert_never(header)


def set_names(store: HeaderStore, label: str | None, subsystem: str | None) -> None:
    """Give a LUKS2 header a label and a subsystem, both of them, as cryptsetup does.

    Args:
        store: The header's store.
        label: The label, cut at 47 bytes; None: no label.
        subsystem: The subsystem, cut at 47 bytes; None: no subsystem.

    Raises:
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "config")
        store.write(header._replace(label=layout.label(label or ""), subsystem=layout.label(subsystem or "")))


def set_priority(store: HeaderStore, keyslot: int, priority: str) -> None:
    """Set when a keyslot is tried: ``ignore``, ``normal`` or ``prefer``.

    Raises:
        KeyslotError: There is no such keyslot.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "config")
        if keyslot not in header.keyslots:
            raise KeyslotError(f"Keyslot {keyslot} is not active.")
        store.write(header_changes.with_priority(header, keyslot, PRIORITIES[priority]))


def set_flags(store: HeaderStore, flags: Iterable[str]) -> None:
    """Set the flags, in dm-crypt's words, that every activation of a LUKS2 device is to have.

    Raises:
        RequirementsError: The header demands features that are not implemented.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "open")
        store.write(header_changes.with_flags(header, [_stored(flag) for flag in flags]))


def _stored(flag: str) -> str:
    """A flag as a LUKS2 header has it: cryptsetup spells the newest one otherwise than the rest."""
    return flag if flag == "high_priority" else flag.replace("_", "-")


@dataclass(frozen=True)
class TokenSlot:
    """Where a token goes.

    Attributes:
        number: The token's number; None: the lowest free one.
        replaces: It may take another token's place.
    """

    number: int | None = None
    replaces: bool = False


def add_keyring_token(
    store: HeaderStore, description: str, slot: TokenSlot, *, keyslot: int | None, every_keyslot: bool
) -> int:
    """Add a token that names a key of the kernel's, whose payload is the passphrase.

    Args:
        store: The device.
        description: The key's.
        slot: Where the token goes.
        keyslot: The keyslot that it opens; None: all of them if `every_keyslot`, else none.
        every_keyslot: Whether it opens all of them.

    Returns:
        The token's number.

    Raises:
        KeyslotError: The keyslot is not active.
        UsageError: The number is taken or impossible, or no key can have that description.
        KdumpkeyError: As `luks.store`.
    """

    def token(header: Luks2Header) -> JsonObject:
        keyslots = [keyslot] if keyslot is not None else sorted(header.keyslots) if every_keyslot else []
        return {
            "type": KEYRING_TOKEN,
            "keyslots": [str(each) for each in keyslots],
            "key_description": description,
        }

    _check_description(description)
    with store.changing_luks2() as header:
        check_requirements(header, "token")
        if keyslot is not None and keyslot not in header.keyslots:
            raise KeyslotError(f"Keyslot {keyslot} is not active.")
        return _put_token(store, header, token(header), slot)


def _check_description(description: str) -> None:
    """Refuse what no key of the kernel's can be called, or what a header cannot hold.

    Source: KEY_MAX_DESC_SIZE in the kernel's security/keys/keyctl.c, which counts the NUL.

    Raises:
        UsageError: It is empty, too long, or not text.
    """
    if not description:
        raise UsageError("The key description is empty. Name the key with --key-description.")
    try:
        nbytes = len(description.encode())
    except UnicodeEncodeError as error:
        raise UsageError(
            "The key description is not UTF-8 text, and a LUKS2 header can hold no other."
        ) from error
    if nbytes > _LONGEST_DESCRIPTION:
        raise UsageError(
            f"The key description has {nbytes} bytes. The kernel takes at most {_LONGEST_DESCRIPTION}."
        )
    if "\0" in description:
        raise UsageError("The key description has a NUL in it, where the kernel would end it.")


def import_token(store: HeaderStore, content: bytes, slot: TokenSlot, *, keyslot: int | None) -> int:
    """Add a token from its JSON.

    Args:
        store: The device.
        content: The JSON.
        slot: Where the token goes.
        keyslot: A keyslot to assign it to, beside those that it names.

    Returns:
        The token's number.

    Raises:
        UsageError: It is not a token, or the number is taken or impossible.
        KeyslotError: The keyslot is not active.
        KdumpkeyError: As `luks.store`.
    """
    refusal = "Failed to import token from file."
    with store.changing_luks2() as header:
        check_requirements(header, "token")
        if keyslot is not None and keyslot not in header.keyslots:
            raise KeyslotError(f"Keyslot {keyslot} is not active.")
        try:
            token = strict_json.parse(content.strip(_WHITE_SPACE))
            _check_reserved(token)
            names = token.get("keyslots")
            if keyslot is not None and isinstance(names, list) and str(keyslot) not in names:
                names.append(str(keyslot))
            return _put_token(store, header, token, slot)
        except HeaderError as error:
            raise UsageError(refusal) from error


def _check_reserved(token: JsonObject) -> None:
    """Refuse a token of a reserved type that does not exist, or that breaks the type's rules.

    Raises:
        HeaderError: It is such a token.
    """
    kind = token.get("type")
    if not isinstance(kind, str) or not kind.startswith(_RESERVED):
        return
    description = token.get("key_description")
    if kind != KEYRING_TOKEN or len(token) != _KEYRING_MEMBERS or not isinstance(description, str):
        raise HeaderError(f"a token of the type {kind!r} does not have exactly the members that it must have")
    if not description:
        raise HeaderError("the key description is empty")


def _put_token(store: HeaderStore, header: Luks2Header, token: JsonObject, slot: TokenSlot) -> int:
    number = slot.number
    if number is None:
        number = header_changes.free_token(header)
        if number is None:
            raise UsageError("No free token slot.")
    elif not 0 <= number < header_changes.MAX_TOKENS:
        raise UsageError(f"Token {number} is invalid.")
    elif number in header.tokens and not slot.replaces:
        raise UsageError(f"Token {number} in use.")
    store.write(header_changes.with_token(header, number, token))
    return number


def remove_token(store: HeaderStore, number: int) -> None:
    """Remove a token.

    Raises:
        UsageError: There is no token of this number.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "token")
        if number not in header.tokens:
            raise UsageError(f"Token {number} is not in use.")
        store.write(header_changes.without_token(header, number))


def assign_token(store: HeaderStore, number: int, keyslot: int) -> None:
    """Have a token name a keyslot that its passphrase opens.

    Raises:
        UsageError: There is no token of this number.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "token")
        token = header.tokens.get(number)
        if token is None:
            raise UsageError(f"Token {number} is not in use.")
        if keyslot not in token.keyslots:
            named = [*(str(each) for each in token.keyslots), str(keyslot)]
            store.write(header_changes.with_token(header, number, {**token.json, "keyslots": [*named]}))


def unassign_token(store: HeaderStore, number: int, keyslot: int) -> None:
    """Take a keyslot from a token.

    Raises:
        UsageError: The token, if there is one of this number, does not name the keyslot.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing_luks2() as header:
        check_requirements(header, "token")
        token = header.tokens.get(number)
        if token is None or keyslot not in token.keyslots:
            raise UsageError(f"Token {number} is not assigned to keyslot {keyslot}.")
        left = [str(each) for each in token.keyslots if each != keyslot]
        store.write(header_changes.with_token(header, number, {**token.json, "keyslots": [*left]}))


def token_json(header: LuksHeader, number: int) -> bytes:
    """A token's JSON, as it stands in the header.

    Raises:
        UsageError: There is no token of this number.
    """
    if number not in header.tokens:
        raise UsageError(f"Failed to get token {number} for export.")
    return strict_json.serialise(header.tokens[number].json)
