"""How cryptsetup 2.7 and newer name keys and keyrings in options; nothing here asks the kernel.

Source: cryptsetup(8), --link-vk-to-keyring and --volume-key-keyring; where that is silent, what 2.7.5 was
seen to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdumpkey.errors import UsageError
from kdumpkey.keyring.service import SHORTHANDS

LINK_REFUSAL = "Invalid --link-vk-to-keyring value."
SOURCE_REFUSAL = "Failed to read volume key candidate from keyring."

LINKABLE_TYPES = ("user", "logon")
KEY_TYPES = (*LINKABLE_TYPES, "big_key", "trusted", "encrypted")

# What strtol takes in base 0: decimal, 0x hexadecimal, 0 octal.
_NUMBER = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_INT32 = range(-(1 << 31), 1 << 31)


@dataclass(frozen=True)
class KeyName:
    """A key by type and description; as text ``%type:description``."""

    type: str
    description: str

    def __str__(self) -> str:
        return f"%{self.type}:{self.description}"


@dataclass(frozen=True)
class KeyringName:
    """A keyring by its number (negative: one of the process's own, -3 is @s) or by its description."""

    text: str
    number: int | None = None
    description: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class LinkTarget:
    """Where ``--link-vk-to-keyring`` puts the volume key."""

    keyring: KeyringName
    key: KeyName


@dataclass(frozen=True)
class VolumeKeySource:
    """Where ``--volume-key-keyring`` takes the volume key from: a key's name, or its number."""

    key: KeyName
    number: int | None = None


def parse_link_target(text: str) -> LinkTarget:
    """Parse ``<keyring>::[%type:]name``, split at the first ``::``.

    Raises:
        UsageError: No ``::``, a keyring that cannot be one, an unknown type, or an empty name.
    """
    keyring, separator, key = text.partition("::")
    if not separator:
        raise UsageError(LINK_REFUSAL)
    return LinkTarget(parse_keyring(keyring), _parse_key(key, LINKABLE_TYPES, LINK_REFUSAL))


def parse_keyring(text: str) -> KeyringName:
    """Parse ``@s @u @us @t @p @g``, a number, ``%:name``, ``%keyring:name`` or a bare name.

    Raises:
        UsageError: It is not one of these.
    """
    if text in SHORTHANDS:
        return KeyringName(text, number=int(SHORTHANDS[text]))
    number = _number(text)
    if number:
        return KeyringName(text, number=number)
    if text == "" or text.startswith("@") or number == 0:
        raise UsageError(f'Could not find keyring described by "{text}".\n{LINK_REFUSAL}')
    if not text.startswith("%"):
        return KeyringName(f"%:{text}", description=text)
    kind, separator, description = text[1:].partition(":")
    if not separator or not description or kind not in ("", "keyring"):
        raise UsageError(LINK_REFUSAL)
    return KeyringName(f"%:{description}", description=description)


def parse_volume_key_source(text: str) -> VolumeKeySource:
    """Parse ``<id | [%type:]name>``; a bare name is of type user.

    A number may be a name as well (cryptsetup 2.7.5 takes it for one), so both readings are kept.

    Raises:
        UsageError: A ``%type`` without a colon, an unknown type, or an empty name.
    """
    number = _number(text)
    key = _parse_key(text, KEY_TYPES, SOURCE_REFUSAL)
    return VolumeKeySource(key, number if number is not None and number > 0 else None)


def _parse_key(text: str, types: tuple[str, ...], refusal: str) -> KeyName:
    kind, description = "user", text
    if text.startswith("%"):
        kind, separator, description = text[1:].partition(":")
        if not separator:
            raise UsageError(refusal)
    if kind not in types or not description or "\0" in description:
        raise UsageError(refusal)
    return KeyName(kind, description)


def _number(text: str) -> int | None:
    matched = _NUMBER.fullmatch(text)
    if not matched:
        return None
    sign, digits = matched.groups()
    octal = len(digits) > 1 and digits.isdecimal() and digits[0] == "0"
    number = int(digits, 8 if octal else 0)
    number = -number if sign == "-" else number
    return number if number in _INT32 else None
