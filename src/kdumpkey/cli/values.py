"""What the values of options must be: numbers, sizes, and the few that are a choice."""

from __future__ import annotations

import re
from typing import Final

from kdumpkey.cli.options import Kind, Option
from kdumpkey.errors import UsageError

BAD_NUMBER: Final = "invalid numeric value"
_UINT64: Final = 1 << 64
# As strtoull and strtoll read it: leading white space and a sign are allowed, anything after it is not.
_NUMBER: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]+)(?:([kKmMgGtT])(iB|B)?|(s))?", re.ASCII)
_UNITS: Final = "kmgt"


def convert(option: Option, text: str) -> str | int:
    """The value of an option from its text.

    Raises:
        UsageError: It is none that this option can have.
    """
    match option.kind:
        case Kind.TEXT:
            value: str | int = text
        case Kind.SIZE:
            value = size_of(option.name, text)
        case Kind.INT32:
            value = _signed(text)
        case kind:
            value = _unsigned(text, (1 << 32) if kind is Kind.UINT32 else _UINT64)
    _check(option.name, value)
    return value


def _unsigned(text: str, end: int) -> int:
    matched = _NUMBER.fullmatch(text)
    if not matched or int(matched[2]) >= _UINT64:
        raise UsageError(BAD_NUMBER)
    number = int(matched[1] + matched[2]) % _UINT64  # strtoull wraps what is negative
    if number >= end:
        raise UsageError(BAD_NUMBER)
    return number


def _signed(text: str) -> int:
    matched = _NUMBER.fullmatch(text)
    number = int(matched[1] + matched[2]) if matched else 1 << 31
    if not -(1 << 31) <= number < 1 << 31:
        raise UsageError(BAD_NUMBER)
    return number


def size_of(name: str, text: str) -> int:
    """Bytes from a size with its unit, as the option `name` takes it.

    Raises:
        UsageError: It is none.
    """
    refusal = f"Invalid size specification in parameter --{name}."
    matched = _SIZE.fullmatch(text)
    if not matched:
        raise UsageError(refusal)
    digits, unit, suffix, sectors = matched.groups()
    factor = 512 if sectors else 1
    if unit:
        factor = (1000 if suffix == "B" else 1024) ** (_UNITS.index(unit.lower()) + 1)
    if (number := int(digits) * factor) >= _UINT64:
        raise UsageError(refusal)
    return number


def _check(name: str, value: str | int) -> None:
    """Refuse what cryptsetup refuses as soon as it reads it, whatever the action."""
    match name, value:
        case "key-slot", int() if value < 0:
            raise UsageError("Key slot is invalid.")
        case (("key-size" | "keyslot-key-size"), int()) if value % 8:
            raise UsageError("Key size must be a multiple of 8 bits")
        case "sector-size", int() if value not in (512, 1024, 2048, 4096):
            raise UsageError("Unsupported encryption sector size.")
        case "device-size", 0:
            raise UsageError(BAD_NUMBER)
        case "device-size", int() if value % 512:
            raise UsageError("Device size must be multiple of 512 bytes sector.")
        case "priority", str() if value not in ("ignore", "normal", "prefer"):
            raise UsageError("Option --priority can be only ignore/normal/prefer.")
        case "pbkdf", str() if value not in ("pbkdf2", "argon2i", "argon2id"):
            raise UsageError(
                "Password-based key derivation function (PBKDF) can be only pbkdf2 or argon2i/argon2id."
            )
        case "kdf-memory-check", str() if value not in ("on", "off"):
            raise UsageError("Option --kdf-memory-check can be only on/off.")
