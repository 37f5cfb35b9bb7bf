"""Validated JSON metadata as the model's values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from kdumpkey.luks.model import (
    PRIORITY_NORMAL,
    Af,
    Area,
    Config,
    Digest,
    Kdf,
    Keyslot,
    Segment,
    Token,
    UnknownKdf,
)
from kdumpkey.luks.rules import c_text, is_digits, number, uint64

if TYPE_CHECKING:
    from kdumpkey.luks.strict_json import JsonObject, JsonValue

_T = TypeVar("_T")
_MAX_ID = (1 << 31) - 1


class Metadata(NamedTuple):
    """What the JSON area says."""

    keyslots: Mapping[int, Keyslot]
    segments: Mapping[int, Segment]
    digests: Mapping[int, Digest]
    tokens: Mapping[int, Token]
    config: Config


def build(metadata: JsonObject) -> Metadata:
    """Make the model's values of validated metadata.

    Names that are digits and yet not a number's one shortest form ("007") pass validation, but nothing can
    address them, here as elsewhere: they stay in the JSON alone.
    """
    return Metadata(
        keyslots=_by_id(metadata, "keyslots", _keyslot),
        segments=_by_id(metadata, "segments", _segment),
        digests=_by_id(metadata, "digests", _digest),
        tokens=_by_id(metadata, "tokens", _token),
        config=_config(_object(metadata, "config")),
    )


def decode_base64(text: str) -> bytes | None:
    """Return what a base64 text encodes, or None where it is no padded, standard base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _by_id(
    metadata: JsonObject, section: str, build_one: Callable[[int, JsonObject], _T]
) -> Mapping[int, _T]:
    result: dict[int, _T] = {}
    for name, value in _object(metadata, section).items():
        identity = number(name)
        if identity is not None and identity <= _MAX_ID:
            result[identity] = build_one(identity, cast("JsonObject", value))
    return result


def _object(parent: JsonObject, name: str) -> JsonObject:
    return cast("JsonObject", parent[name])


def _text(value: JsonValue) -> str:
    return c_text(value) if isinstance(value, str) else ""


def _int(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _uint64(value: JsonValue) -> int:
    text = _text(value)
    return uint64(text, "") if is_digits(text) else 0


def _strings(value: JsonValue) -> tuple[str, ...]:
    return tuple(c_text(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _ids(value: JsonValue) -> tuple[int, ...]:
    numbers = (number(text) for text in _strings(value))
    return tuple(identity for identity in numbers if identity is not None)


def _keyslot(identity: int, json: JsonObject) -> Keyslot:
    kind = _text(json["type"])
    area = _object(json, "area")
    af, kdf = json.get("af"), json.get("kdf")
    priority = json.get("priority", PRIORITY_NORMAL)
    return Keyslot(
        id=identity,
        type=kind,
        key_size=_int(json["key_size"]),
        area=Area(
            type=_text(area["type"]),
            offset=_uint64(area["offset"]),
            size=_uint64(area["size"]),
            encryption=_text(area.get("encryption")),
            key_size=_int(area.get("key_size")),
        ),
        af=Af(type=_text(af.get("type")), stripes=_int(af.get("stripes")), hash=_text(af.get("hash")))
        if isinstance(af, dict)
        else None,
        kdf=_kdf(kdf) if isinstance(kdf, dict) else None,
        priority=_int(priority),
    )


def _kdf(json: JsonObject) -> Kdf:
    from kdumpkey.crypto.kdf import Argon2, Pbkdf2  # noqa: PLC0415  (keeps the parser free of the KDFs' imports)

    kind = _text(json.get("type"))
    if kind not in ("pbkdf2", "argon2i", "argon2id"):
        return UnknownKdf(type=kind)
    salt = decode_base64(_text(json.get("salt")))
    if salt is None:
        return UnknownKdf(type=kind, problem="the salt is not base64")
    if kind == "pbkdf2":
        return Pbkdf2(hash=_text(json.get("hash")), iterations=_int(json.get("iterations")), salt=salt)
    return Argon2(
        variant=kind,
        time=_int(json.get("time")),
        memory_kib=_int(json.get("memory")),
        parallel=_int(json.get("cpus")),
        salt=salt,
    )


def _segment(identity: int, json: JsonObject) -> Segment:
    size = _text(json["size"])
    crypt = _text(json["type"]) == "crypt"
    integrity = json.get("integrity")
    return Segment(
        id=identity,
        type=_text(json["type"]),
        offset=_uint64(json["offset"]),
        size=None if size == "dynamic" else _uint64(size),
        flags=_strings(json.get("flags")),
        encryption=_text(json["encryption"]) if crypt else "",
        sector_size=_int(json["sector_size"]) if crypt else 0,
        iv_tweak=_uint64(json["iv_tweak"]) if crypt else 0,
        integrity=integrity if isinstance(integrity, dict) else None,
    )


def _digest(identity: int, json: JsonObject) -> Digest:
    return Digest(
        id=identity,
        type=_text(json["type"]),
        keyslots=_ids(json["keyslots"]),
        segments=_ids(json["segments"]),
        hash=_text(json.get("hash")),
        iterations=_int(json.get("iterations")),
        salt=decode_base64(_text(json.get("salt"))),
        digest=decode_base64(_text(json.get("digest"))),
    )


def _token(identity: int, json: JsonObject) -> Token:
    return Token(id=identity, type=_text(json["type"]), keyslots=_ids(json["keyslots"]), json=json)


def _config(json: JsonObject) -> Config:
    requirements = json.get("requirements")
    return Config(
        json_size=_uint64(json["json_size"]),
        keyslots_size=_uint64(json["keyslots_size"]),
        flags=_strings(json.get("flags")),
        requirements=_strings(requirements.get("mandatory")) if isinstance(requirements, dict) else (),
    )
