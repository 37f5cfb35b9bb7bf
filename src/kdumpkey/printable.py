"""Text that others may have written, for a terminal: nothing in it is obeyed, and nothing in it hides.

Headers, keyrings, file names and initramfs images hold what anybody put there. A terminal takes control
characters for commands, marks of direction reorder a line, and separators make two lines of one. Whatever
Unicode does not call printable is written out here; the command line does so where a stream is a terminal.
"""

from __future__ import annotations

import re
from typing import Any, Final

_LOW_SURROGATES: Final = range(0xDC80, 0xDD00)  # bytes that are not UTF-8, as Python keeps them
_LINES: Final = "\n\t"


def printable(text: str, *, lines: bool = False) -> str:
    """Return a text with every character that is not printable as an escape sequence (``\\x1b``).

    Args:
        text: Any text.
        lines: Leave newlines and tabs, for text that is laid out already.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or (lines and each in _LINES) else _escape(each) for each in text
    )


def shown(value: Any, *left_out: str) -> str:
    """Return the usual repr of a named tuple without some of its fields, such as salts."""
    fields = ", ".join(f"{name}={each!r}" for name, each in value._asdict().items() if name not in left_out)
    return f"{type(value).__name__}({fields})"


def printable_json(text: str) -> str:
    """Return JSON text that means the same, its unprintable characters as JSON escapes; lines stay."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _LINES else _json_escape(each) for each in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code & 0xFF:02x}" if code in _LOW_SURROGATES else ascii(character)[1:-1]


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{unit}" for unit in re.findall("....", units))
