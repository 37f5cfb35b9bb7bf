"""The JSON of a LUKS2 header: RFC 8259 text only, read in bounded time, written as json-c writes it.

Other implementations read headers with json-c, which also takes what is not JSON and keeps one of two members
of the same name. Two programs that read one header differently are an attack, so all of that is refused here.
What json-c makes of the rest is followed: the values' types, integers beyond 64 bits, lone surrogates, and
NUL in a member's name.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, TypeAlias

from kdumpkey.errors import HeaderError


class Real:
    """A number with a fraction or an exponent, kept as its text, for json-c writes back the text it read."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Real) and other.text == self.text

    def __hash__(self) -> int:
        return hash((Real, self.text))

    def __repr__(self) -> str:
        return f"Real({self.text!r})"


if TYPE_CHECKING:
    JsonValue: TypeAlias = "JsonObject" | "JsonArray" | str | int | Real | bool | None
    JsonObject: TypeAlias = dict[str, JsonValue]
    JsonArray: TypeAlias = list[JsonValue]
else:  # typing compiles a name that is text, which takes the kdump kernel's program a millisecond
    JsonValue, JsonObject, JsonArray = object, dict, list

MAX_DEPTH = 32
INT_MIN = -(1 << 63)
INT_MAX = (1 << 64) - 1

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NEITHER_QUOTE_NOR_BRACKET = bytes(set(range(256)) - set(b'"[{]}'))
# Hardly any header has one, so these are compiled when one does.
_ESCAPE = (
    r"(?s)\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_LONE_SURROGATE_POSSIBLE = rb"\\u[dD][89a-fA-F]"


def parse(text: bytes) -> JsonObject:
    """Read the text of a JSON area, which must be one object.

    Args:
        text: The area without its NUL padding; at most 4 MiB in LUKS2.

    Raises:
        HeaderError: It is not RFC 8259 text in UTF-8, is not an object, names a member twice, or is nested
            deeper than 32 levels.
    """
    if not text.startswith(b"{"):
        raise HeaderError("the JSON area does not begin with '{'")
    depth = _depth(text)
    if depth > MAX_DEPTH:
        raise _too_deep()
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"the JSON area is not UTF-8 at byte {error.start}") from error
    if b"\\" in text and re.search(_LONE_SURROGATE_POSSIBLE, text):
        # RFC 8259 allows the escape of half a character; json-c reads U+FFFD.
        decoded = re.sub(_ESCAPE, lambda match: "\\ufffd" if match[1] else match[0], decoded)
    try:
        with no_garbage_collection():
            value: JsonValue = _DECODER.decode(decoded)
    except json.JSONDecodeError as error:
        raise HeaderError(f"the JSON area is not JSON at character {error.pos}: {error.msg}") from error
    if not isinstance(value, dict):
        raise HeaderError("the JSON area is not an object")
    if depth == MAX_DEPTH:
        _check_last_level_is_empty(value)
    return value


def serialise(value: JsonValue) -> bytes:
    """Write a value as json-c does for LUKS2: compact, in order, slashes and non-ASCII as they are."""
    return "".join(_compact(value)).encode("utf-8")


def pretty(value: JsonValue) -> str:
    """Write a value as json-c does for people: two blanks a level, none after a colon."""
    return "".join(_pretty(value, "\n"))


def spaced(value: JsonValue) -> str:
    """Write a value as json-c does where a string was asked for: on one line, slashes escaped."""
    if isinstance(value, dict):
        members = ", ".join(f"{_slashes_escaped(name)}: {spaced(member)}" for name, member in value.items())
        return f"{{ {members} }}" if value else "{ }"
    if isinstance(value, list):
        return f"[ {', '.join(map(spaced, value))} ]" if value else "[ ]"
    return _slashes_escaped(value) if isinstance(value, str) else _scalar(value)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector from walking millions of new values again and again; trees have no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _depth(text: bytes) -> int:
    """The depth of the brackets outside of strings; 0 where there are too few to go too deep."""
    if _first(text, b"{") + _first(text, b"[") < MAX_DEPTH:
        return 0
    # Remove the escapes, then all but the marks, then what is between quotes.
    marks = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    marks = marks.translate(_STEPS, _NEITHER_QUOTE_NOR_BRACKET)
    steps = b"".join(marks.replace(b'""', b"").split(b'"')[::2])
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def _first(text: bytes, mark: bytes) -> int:
    """How often a mark occurs, counted up to MAX_DEPTH: find() is quicker than count()."""
    found, at = 0, text.find(mark)
    while at >= 0 and found < MAX_DEPTH:
        found, at = found + 1, text.find(mark, at + 1)
    return found


def _too_deep() -> HeaderError:
    return HeaderError(f"the JSON area is nested more than {MAX_DEPTH} levels deep")


def _check_last_level_is_empty(value: JsonValue) -> None:
    # The limit is on values: what is in a container is one level below it.
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[JsonValue] = []
        for container in level:
            if isinstance(container, dict):
                inner.extend(container.values())
            elif isinstance(container, list):
                inner.extend(container)
        level = inner
    if level:
        raise _too_deep()


def _integer(text: str) -> int:
    if len(text) < 19:
        return int(text)
    if len(text) > 20:  # beyond 64 bits, and int() would cost the square of the length
        return INT_MIN if text[0] == "-" else INT_MAX
    return max(INT_MIN, min(int(text), INT_MAX))


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    if not pairs:
        return {}
    result = dict(pairs)
    if any("\0" in name for name in result):
        # In C a name ends there, so to json-c two names that differ only after it are the same.
        pairs = [(name.partition("\0")[0], value) for name, value in pairs]
        result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise HeaderError(f"an object in the JSON area has two members named {_shown(name)}")
            seen.add(name)
    return result


def _shown(name: str) -> str:
    return json.dumps(name if len(name) <= 40 else name[:40] + "…")


def _constant(name: str) -> JsonValue:
    raise HeaderError(f"the JSON area is not JSON: {name} is not a JSON value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=Real, parse_constant=_constant
)


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Real):
        return value.text
    return str(value)


def _slashes_escaped(text: str) -> str:
    return encode_basestring(text).replace("/", "\\/")


def _compact(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        separator = "{"
        for name, member in value.items():
            yield f"{separator}{encode_basestring(name)}:"
            yield from _compact(member)
            separator = ","
        yield "}" if value else "{}"
    elif isinstance(value, list):
        separator = "["
        for element in value:
            yield separator
            yield from _compact(element)
            separator = ","
        yield "]" if value else "[]"
    else:
        yield _scalar(value)


def _pretty(value: JsonValue, newline: str) -> Iterator[str]:
    inner = newline + "  "
    if isinstance(value, dict):
        separator = "{"
        for name, member in value.items():
            yield f"{separator}{inner}{encode_basestring(name)}:"
            yield from _pretty(member, inner)
            separator = ","
        yield f"{newline}}}" if value else f"{{{newline}}}"
    elif isinstance(value, list):
        separator = "["
        for element in value:
            yield separator + inner
            yield from _pretty(element, inner)
            separator = ","
        yield f"{newline}]" if value else f"[{newline}]"
    else:
        yield _scalar(value)
