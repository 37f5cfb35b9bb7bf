"""The JSON of a LUKS2 header: RFC 8259 text only, read in bounded time, written as json-c writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union


@dataclass(frozen=True, slots=True)
class Real:
    """A number with a fraction or an exponent, kept as its text, for json-c writes back the text it read."""

    text: str


JsonValue: TypeAlias = Union["JsonObject", "JsonArray", str, int, Real, bool, None]
JsonObject: TypeAlias = dict[str, JsonValue]
JsonArray: TypeAlias = list[JsonValue]
