"""What validation asks of one member of a JSON object: there, of its type, in its range."""

from __future__ import annotations

from typing import NoReturn

from kdumpkey.errors import HeaderError
from kdumpkey.luks.strict_json import JsonArray, JsonObject, JsonValue
from kdumpkey.printable import printable

UINT32_MAX = (1 << 32) - 1
UINT64_MAX = (1 << 64) - 1

_SHOWN = 100
_SPACE = " \t\n\v\f\r"


def fail(path: str, message: str) -> NoReturn:
    """Raise the HeaderError for the field at `path`, whose names may be of any length and hold anything.

    Args:
        path: Where the field is (``keyslots.0.area``).
        message: What is wrong, as the rest of a sentence that begins with the field.
    """
    raise HeaderError(message, printable(path if len(path) <= _SHOWN else path[:_SHOWN] + "…"))


def c_text(value: str) -> str:
    """Return a string as C code reads it: to its first NUL."""
    return value.partition("\0")[0]


def member(parent: JsonObject, name: str, path: str) -> JsonValue:
    """Return a member that must be there."""
    if name not in parent:
        fail(join(path, name), "is missing")
    return parent[name]


def object_member(parent: JsonObject, name: str, path: str) -> JsonObject:
    """Return a member that must be an object."""
    value = member(parent, name, path)
    if not isinstance(value, dict):
        fail(join(path, name), "is not an object")
    return value


def array_member(parent: JsonObject, name: str, path: str) -> JsonArray:
    """Return a member that must be an array."""
    value = member(parent, name, path)
    if not isinstance(value, list):
        fail(join(path, name), "is not an array")
    return value


def text_member(parent: JsonObject, name: str, path: str) -> str:
    """Return a member that must be a string with something in it."""
    value = member(parent, name, path)
    if not isinstance(value, str):
        fail(join(path, name), "is not a string")
    text = c_text(value)
    if not text:
        fail(join(path, name), "is empty")
    return text


def int_member(parent: JsonObject, name: str, path: str) -> int:
    """Return a member that must be an integer of any size."""
    value = member(parent, name, path)
    if not isinstance(value, int) or isinstance(value, bool):
        fail(join(path, name), "is not an integer")
    return value


def uint32_member(parent: JsonObject, name: str, path: str) -> int:
    """Return a member that must be an integer of 32 bits without sign."""
    value = int_member(parent, name, path)
    if not 0 <= value <= UINT32_MAX:
        fail(join(path, name), "is not an unsigned 32-bit integer")
    return value


def uint64_member(parent: JsonObject, name: str, path: str) -> int:
    """Return the number in a member that must be a string of digits, at most 2^64 - 1."""
    return uint64(text_member(parent, name, path), join(path, name))


def uint64(text: str, path: str) -> int:
    """Return the number in a string of digits, at most 2^64 - 1."""
    if not is_digits(text):
        fail(path, "is not a string of digits")
    significant = text.lstrip("0") or "0"
    # The length is looked at first, for int() costs the square of it.
    if len(significant) > 20 or int(significant) > UINT64_MAX:
        fail(path, "does not fit in 64 bits")
    return int(significant)


def strtoull_member(parent: JsonObject, name: str, path: str) -> int:
    """Return the number in a member that must be a string of which C's strtoull takes all.

    No rule asks for digits alone in these fields: white space and a sign may come first, and a negative
    number wraps.
    """
    digits, path = text_member(parent, name, path).lstrip(_SPACE), join(path, name)
    negative = digits.startswith("-")
    value = uint64(digits[1:] if digits.startswith(("-", "+")) else digits, path)
    if not digits.lstrip("+-"):
        fail(path, "is not a number")
    return -value & UINT64_MAX if negative else value


def strings_member(parent: JsonObject, name: str, path: str) -> list[str]:
    """Return a member that must be an array of strings."""
    values = array_member(parent, name, path)
    strings = [c_text(value) for value in values if isinstance(value, str)]
    if len(strings) != len(values):
        fail(join(path, name), "has an element that is not a string")
    return strings


def is_digits(text: str) -> bool:
    """Say whether a text has only the digits 0 to 9; the empty text has."""
    return not text or (text.isascii() and text.isdigit())


def number(text: str) -> int | None:
    """Return the number that a name or a reference is, or None where it is not in its one shortest form."""
    if not 0 < len(text) <= 10 or not is_digits(text) or (text[0] == "0" and text != "0"):
        return None
    return int(text)


def c_int(digits: str) -> int:
    """Return the int that C's atoi makes of a string of digits, the empty one too, on a 64-bit Linux."""
    significant = digits.lstrip("0")
    value = (1 << 63) - 1 if len(significant) > 19 else min(int(significant or "0"), (1 << 63) - 1)
    value &= UINT32_MAX
    return value - (1 << 32) if value >> 31 else value


def check_number_name(name: str, path: str) -> None:
    """Refuse the name of a keyslot, segment, digest or token that is not a number."""
    if not is_digits(name):
        fail(join(path, name), "has a name that is not a number")


def join(path: str, name: str) -> str:
    """Return the path of a member."""
    return f"{path}.{name}" if path else name
