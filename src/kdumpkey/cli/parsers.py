"""Parsers of options' values: numbers and sizes as cryptsetup reads them, and choices from a few words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from kdumpkey.errors import UsageError

_BAD_NUMBER: Final = "invalid numeric value"
_UINT64: Final = 1 << 64
# As strtoull and strtoll read it: white space and a sign may come first, nothing may follow.
_NUMBER: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]+)(?:([kKmMgGtT])(iB|B)?|(s))?", re.ASCII)
_UNITS: Final = "kmgt"
_MOST_DIGITS: Final = 30  # more than 64 bits have
_ANY: Final = -1  # leaves the choice open, as if the option were not there
_KDFS: Final = ("pbkdf2", "argon2i", "argon2id")


def uint32(text: str) -> int:
    """An unsigned integer of 32 bits.

    Raises:
        UsageError: It is not one.
    """
    return _unsigned(text, 1 << 32)


def uint64(text: str) -> int:
    """An unsigned integer of 64 bits; a negative number wraps, as strtoull wraps it.

    Raises:
        UsageError: It is not one.
    """
    return _unsigned(text, _UINT64)


def int32(text: str) -> int:
    """A signed integer of 32 bits.

    Raises:
        UsageError: It is not one.
    """
    matched = _NUMBER.fullmatch(text)
    number = _integer(matched[1] + matched[2]) if matched else 1 << 31
    if not -(1 << 31) <= number < 1 << 31:
        raise UsageError(_BAD_NUMBER)
    return number


def number_or_any(text: str) -> int | None:
    """A signed integer of 32 bits; -1 stands for any number.

    Raises:
        UsageError: It is not one.
    """
    number = int32(text)
    return None if number == _ANY else number


def keyslot(text: str) -> int:
    """The number of a keyslot.

    Raises:
        UsageError: It is not one.
    """
    if (number := int32(text)) < 0:
        raise UsageError("Key slot is invalid.")
    return number


def key_bits(text: str) -> int:
    """The size of a key in bits.

    Raises:
        UsageError: It is not a multiple of eight bits.
    """
    if (bits := uint32(text)) % 8:
        raise UsageError("Key size must be a multiple of 8 bits")
    return bits


def sector_size(text: str) -> int:
    """The size of an encryption sector in bytes.

    Raises:
        UsageError: dm-crypt has no such sectors.
    """
    if (nbytes := uint32(text)) not in (512, 1024, 2048, 4096):
        raise UsageError("Unsupported encryption sector size.")
    return nbytes


def size_of(name: str, text: str) -> int:
    """Bytes from a size with its unit.

    Args:
        name: The option, for the message.
        text: Such as ``4096``, ``3k``, ``1MiB``, ``2GB`` or ``8s``.

    Raises:
        UsageError: It is not a size.
    """
    refusal = f"Invalid size specification in parameter --{name}."
    matched = _SIZE.fullmatch(text)
    if not matched:
        raise UsageError(refusal)
    digits, unit, suffix, sectors = matched.groups()
    factor = 512 if sectors else 1
    if unit:
        factor = (1000 if suffix == "B" else 1024) ** (_UNITS.index(unit.lower()) + 1)
    if (number := _integer(digits) * factor) >= _UINT64:
        raise UsageError(refusal)
    return number


def size(name: str) -> Callable[[str], int]:
    """A parser of sizes for the option `name`; what it makes raises as `size_of`."""
    return lambda text: size_of(name, text)


def device_size(text: str) -> int:
    """The size of a device in bytes.

    Raises:
        UsageError: It is not a positive multiple of 512 bytes.
    """
    nbytes = size_of("device-size", text)
    if nbytes == 0:
        raise UsageError(_BAD_NUMBER)
    if nbytes % 512:
        raise UsageError("Device size must be multiple of 512 bytes sector.")
    return nbytes


def reduce_size(text: str) -> int:
    """By how much reencryption makes a device's data smaller, in bytes.

    Raises:
        UsageError: It is more than a gibibyte, or not a multiple of 512 bytes.
    """
    nbytes = size_of("reduce-device-size", text)
    if nbytes > 1 << 30:
        raise UsageError("Maximum device reduce size is 1 GiB.")
    if nbytes % 512:
        raise UsageError("Reduce size must be multiple of 512 bytes sector.")
    return nbytes


def one_of(name: str, words: Sequence[str]) -> Callable[[str], str]:
    """A parser for the option `name` that takes one of a few words; what it makes raises UsageError."""

    def parse(text: str) -> str:
        if text not in words:
            raise UsageError(f"Option --{name} can be only {'/'.join(words)}.")
        return text

    return parse


def kdf(text: str) -> str:
    """The name of a key derivation function.

    Raises:
        UsageError: It is not one.
    """
    if text not in _KDFS:
        raise UsageError(
            "Password-based key derivation function (PBKDF) can be only pbkdf2 or argon2i/argon2id."
        )
    return text


def leading_number(text: str) -> int:
    """The number that a text begins with, as cryptsetup reads a keyslot's argument; without one, 0."""
    found = re.match(r"\s*([-+]?[0-9]+)", text)
    return _integer(found[1]) if found else 0


def _integer(text: str) -> int:
    """The number of digits with an optional sign; one that is too large for every option if there are many.

    Python converts no more than 4300 digits, and raises.
    """
    digits = text.lstrip("+-").lstrip("0")
    number = int(digits or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
    return -number if text.startswith("-") else number


def _unsigned(text: str, end: int) -> int:
    matched = _NUMBER.fullmatch(text)
    if not matched or _integer(matched[2]) >= _UINT64:
        raise UsageError(_BAD_NUMBER)
    number = _integer(matched[1] + matched[2]) % _UINT64
    if number >= end:
        raise UsageError(_BAD_NUMBER)
    return number
