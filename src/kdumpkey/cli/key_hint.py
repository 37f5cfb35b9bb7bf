"""Why a key that a program read may not be the one that a person meant: what an editor put around it.

Nothing is tried with another key: these are hints, shown where no keyslot opened.
"""

from __future__ import annotations

import operator
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.passphrase import STDIN, is_typed
from kdumpkey.errors import WrongKeyError

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import PassphraseSource
    from kdumpkey.cli.session import Session
    from kdumpkey.secret import SecretBuffer

_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16, either way round
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_LINE_ENDS: Final = (
    (b"\r\n", "a Windows line break (CR LF)"),
    (b"\n", "a newline"),
    (b"\r", "a carriage return"),
)
_PROBE: Final = 64  # bytes of text that tell UTF-16 without its mark


def key_hint(key: memoryview, path: str | None) -> str | None:
    """Say what about a key looks as if it were not part of it, and how to leave it out.

    Args:
        key: What was read; it is neither kept nor shown.
        path: The key file it came from; ``-`` or None: standard input.

    Returns:
        One line; None: there is nothing to say.
    """
    what = "The key read from standard input" if path in (None, STDIN) else "The key file"
    if _is_utf16(key):
        again = _pipeline(["iconv -f UTF-16 -t UTF-8"], path)
        return f"{what} is UTF-16 text, and every byte of it counts. If the key was set as UTF-8: {again}"
    found: list[str] = []
    filters: list[str] = []
    if _are(key[: len(_UTF8_BOM)], _UTF8_BOM):
        found.append("begins with a byte order mark")
        filters.append(f"tail -c +{len(_UTF8_BOM) + 1}")
    for end, name in _LINE_ENDS:
        if _are(key[-len(end) :], end):
            found.append(f"ends in {name}")
            filters.append(f"head -c -{len(end)}")
            break
    if not found:
        return None
    part, without = ("is part", "it") if len(found) == 1 else ("are part", "them")
    again = _pipeline(filters, path)
    said = f"{what} {' and '.join(found)}, which {part} of the key."
    return f"{said} If the key was set without {without}: {again}"


@contextmanager
def hinting(session: Session, source: PassphraseSource, key: SecretBuffer) -> Iterator[None]:
    """Give the hint, if there is one, where the key that was read opens nothing.

    Args:
        session: The run.
        source: Where the key was read from.
        key: The key.

    Raises:
        WrongKeyError: As the block does.
    """
    try:
        yield
    except WrongKeyError:
        if not is_typed(session, source):
            with memoryview(key) as octets:
                hint = key_hint(octets, source.key_file)
            if hint is not None:
                session.complain(hint)
        raise


def _pipeline(filters: list[str], path: str | None) -> str:
    first = ["…", filters[0]] if path in (None, STDIN) else [f"{filters[0]} {shlex.quote(path or '')}"]
    return " | ".join([*first, *filters[1:], "kdumpkey … --key-file -"])


def _is_utf16(key: memoryview) -> bool:
    """Whether it has UTF-16's mark, or is ASCII in two bytes each."""
    if len(key) < 2 or len(key) % 2:
        return False
    if any(_are(key[:2], bom) for bom in _BOMS):
        return True
    begin = key[: min(len(key), _PROBE)]
    return any(_is_ascii(begin[text::2]) and not any(begin[1 - text :: 2]) for text in (0, 1))


def _are(octets: memoryview, expected: bytes) -> bool:
    """Whether octets are the expected ones, without making a copy that would not be wiped."""
    return len(octets) == len(expected) and all(map(operator.eq, octets, expected))


def _is_ascii(octets: memoryview) -> bool:
    return all(0x20 <= octet < 0x7F or octet in b"\r\n\t" for octet in octets)
