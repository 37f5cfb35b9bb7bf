"""What a C program makes of a JSON value that is not of the type it asks json-c for.

No rule of validation binds some members of a header (a digest's costs, a keyslot's priority, what belongs to
an unknown type), and cryptsetup reads them all the same. They are read here as json-c gives them, so that
both programs act on one value and show one value.

Source: the documentation of json-c's getters, and what cryptsetup shows.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from kdumpkey.luks.rules import c_text
from kdumpkey.luks.strict_json import JsonValue, Real, spaced

NULL: Final = "(null)"  # what C's printf shows where there is no text
_INFINITY: Final = float("inf")
_INT32_MAX: Final = (1 << 31) - 1
_INT64_MAX: Final = (1 << 63) - 1
_LEADING_INTEGER: Final = r"[ \t\n\v\f\r]*([+-]?)0*([0-9]*)"
_SKIPPED_IN_BASE64: Final = str.maketrans("", "", " \t\n\r\0")


def text(value: JsonValue) -> str:
    """Return a value's text: a string up to its first NUL, anything else as it stands in JSON."""
    if isinstance(value, str):
        return c_text(value)
    return NULL if value is None else spaced(value)


def int32(value: JsonValue) -> int:
    """Return the nearest integer of 32 bits to a value, which of a string is the number it begins with."""
    return max(-_INT32_MAX - 1, min(int64(value), _INT32_MAX))


def int64(value: JsonValue) -> int:
    """Return the nearest integer of 64 bits to a value, which of a string is the number it begins with."""
    if isinstance(value, str):
        number = _leading_integer(value)
    elif isinstance(value, Real):
        real = float(value.text)
        number = int(max(-(2.0**63), min(real, 2.0**63))) if abs(real) < _INFINITY else _beyond(real < 0)
    else:
        number = value if isinstance(value, int) else 0
    return max(-_INT64_MAX - 1, min(number, _INT64_MAX))


def octets(value: JsonValue) -> bytes | None:
    """Return what a value encodes in base64 (no string: nothing), or None where that is not base64.

    White space and NULs count for nothing, wherever they are; padding must be there, and bits that are left
    over must be zero.
    """
    if not isinstance(value, str):
        return b""
    encoded = value.translate(_SKIPPED_IN_BASE64)
    try:
        decoded = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if binascii.b2a_base64(decoded, newline=False).decode("ascii") == encoded else None


def _leading_integer(value: str) -> int:
    found = re.match(_LEADING_INTEGER, value)
    sign, digits = found.groups() if found else ("", "")
    if len(digits) > 19:  # int() of thousands of digits would raise, and costs the square of their number
        return _beyond(sign == "-")
    return int(sign + (digits or "0"))


def _beyond(negative: bool) -> int:
    return -_INT64_MAX - 1 if negative else _INT64_MAX
