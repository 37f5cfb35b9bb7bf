"""json-c, the parser of other programs that read headers, reads and writes what kdumpkey reads and writes."""

from __future__ import annotations

import ctypes
import ctypes.util
from random import Random

import pytest

from examples import examples
from fuzz.judges import is_strict
from kdumpkey.errors import HeaderError
from kdumpkey.luks.strict_json import parse, pretty, serialise
from tools import unavailable

COMPACT, PRETTY = 16, 16 | 2  # JSON_C_TO_STRING_NOSLASHESCAPE, …_PRETTY
PIECES = rb"a \u0000 \ud83d \ude00 \udc00 \ud800 \\ \" \/ / \b\f\n\r\t \u007f \u001f \u00e9 [ { ] }".split()
PIECES += ["é".encode(), "😀".encode(), b"\x7f"]
TEXTS = examples("KDUMPKEY_JSON_COUNT", 4_000, 40_000)
NUMBERS = (
    b"1 -0 0 -1 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616".split()
)
NUMBERS += [*b"-9223372036854775808 -9223372036854775809 1.5 1e5 1E+400 -0.0 0e-0".split(), b"1" * 30]
JUNK = rb'" \ { } [ ] , : 1 - 0 . e + \u 0000 null true NaN Infinity / {} [] \" "a" "b": // /**/'.split()
JUNK += [b" ", b"\n", b"\xff", b"\x01", b"'", b"\x00"]


class JsonC:
    """libjson-c, through ctypes."""

    def __init__(self, name: str) -> None:
        self.library = library = ctypes.CDLL(name)
        pointer = ctypes.c_void_p
        library.json_tokener_new.restype = pointer
        library.json_tokener_parse_ex.restype = pointer
        library.json_tokener_parse_ex.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
        library.json_tokener_get_parse_end.restype = ctypes.c_size_t
        library.json_object_to_json_string_ext.restype = ctypes.c_char_p
        for function in ("json_tokener_get_parse_end", "json_tokener_free", "json_object_put"):
            getattr(library, function).argtypes = [pointer]
        library.json_object_to_json_string_ext.argtypes = [pointer, ctypes.c_int]

    def written(self, text: bytes, flags: int) -> bytes | None:
        """What json-c writes of what it read, or None where it does not read all of the text."""
        padded = text + bytes(8)
        tokener = self.library.json_tokener_new()
        value = self.library.json_tokener_parse_ex(tokener, padded, len(padded))
        end = self.library.json_tokener_get_parse_end(tokener)
        self.library.json_tokener_free(tokener)
        if not value:
            return None
        written: bytes = self.library.json_object_to_json_string_ext(value, flags)
        self.library.json_object_put(value)
        return None if padded[end:].strip(b"\0") else written


@pytest.fixture(scope="module")
def json_c() -> JsonC:
    name = ctypes.util.find_library("json-c") or "libjson-c.so.5"
    try:
        return JsonC(name)
    except OSError:
        unavailable("libjson-c is not installed")


def _string(random: Random) -> bytes:
    return b'"' + b"".join(random.choice(PIECES) for _ in range(random.randrange(5))) + b'"'


def _value(random: Random, depth: int = 0) -> bytes:
    kind = random.random()
    if depth > 34 or kind < 0.3:
        return random.choice([*NUMBERS, b"null", b"true", _string(random), _string(random)])
    count = random.choice([0, 1, 1, 1, 1, 2])
    if kind < 0.65:
        return b"[" + b", ".join(_value(random, depth + 1) for _ in range(count)) + b"]"
    names = {_string(random) for _ in range(count)}
    return b"{" + b",".join(name + b":" + _value(random, depth + 1) for name in sorted(names)) + b"}"


def test_json_c_agrees_on_every_text_that_is_strict_json(json_c: JsonC) -> None:
    random, accepted = Random(1), 0
    for _ in range(TEXTS):
        text = b'{"x":' + _value(random) + b"}"
        if random.random() < 0.4:
            at = random.randrange(1, len(text))
            text = text[:at] + random.choice(JUNK) + text[at + random.randrange(3) :]
        try:
            value = parse(text)
        except HeaderError:
            assert not is_strict(text) or json_c.written(text, COMPACT) is None, text
            continue
        accepted += 1
        assert serialise(value) == json_c.written(text, COMPACT), text
        assert pretty(value).encode() == json_c.written(text, PRETTY), text
    assert accepted > TEXTS // 4
