"""Validated JSON metadata as the model's values."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.luks import json_c
from kdumpkey.luks.model import (
    KEYRING_TOKEN,
    PRIORITY_NORMAL,
    Af,
    Area,
    Config,
    Digest,
    EncryptionClaim,
    Kdf,
    Keyslot,
    Reencryption,
    Segment,
    Token,
    UnknownKdf,
)
from kdumpkey.luks.rules import c_int, c_text, is_digits, number, object_member, strtoull_member, uint64
from kdumpkey.luks.strict_json import JsonObject, JsonValue

_T = TypeVar("_T")
_MAX_ID = (1 << 31) - 1
_REENCRYPT: Final = "reencrypt"


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
    address them, here as elsewhere: they stay in the JSON, and among what other values refer to.
    """
    segments = _by_id(metadata, "segments", _segment)
    uses = _Uses(metadata, segments)
    return Metadata(
        keyslots=_by_id(metadata, "keyslots", lambda identity, json: _keyslot(identity, json, uses)),
        segments=segments,
        digests=_by_id(metadata, "digests", _digest),
        tokens=_by_id(metadata, "tokens", _token),
        config=_config(object_member(metadata, "config", "")),
    )


class _Uses:
    """Which digests list a keyslot, and which segments are theirs: asked once, however many there are."""

    def __init__(self, metadata: JsonObject, segments: Mapping[int, Segment]) -> None:
        self._digests: dict[str, list[str]] = {}
        owners: dict[str, int] = {}  # of each segment the first digest that lists it
        digests = object_member(metadata, "digests", "")
        for name in digests:
            digest = object_member(digests, name, "digests")
            for keyslot in _strings(digest["keyslots"]):
                self._digests.setdefault(keyslot, []).append(name)
            for segment in _strings(digest["segments"]):
                owners.setdefault(segment, c_int(name))
        regular = (str(segment.id) for segment in segments.values() if not segment.is_backup)
        self._data = {owners[name] for name in regular if name in owners}

    def digests(self, keyslot: int) -> tuple[str, ...]:
        return tuple(self._digests.get(str(keyslot), ()))

    def opens_data(self, keyslot: int) -> bool:
        digests = self._digests.get(str(keyslot))
        return digests is not None and c_int(digests[0]) in self._data


def _by_id(
    metadata: JsonObject, section: str, build_one: Callable[[int, JsonObject], _T]
) -> Mapping[int, _T]:
    members = object_member(metadata, section, "")
    result: dict[int, _T] = {}
    for name in members:
        identity = number(name)
        if identity is not None and identity <= _MAX_ID:
            result[identity] = build_one(identity, object_member(members, name, section))
    return result


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
    return _numbers(_strings(value))


def _numbers(names: tuple[str, ...]) -> tuple[int, ...]:
    numbers = (number(name) for name in names)
    return tuple(identity for identity in numbers if identity is not None)


def _keyslot(identity: int, json: JsonObject, uses: _Uses) -> Keyslot:
    kind = _text(json["type"])
    area = object_member(json, "area", "")
    af, kdf = json.get("af"), json.get("kdf")
    return Keyslot(
        id=identity,
        type=kind,
        key_size=_int(json["key_size"]),
        area=Area(
            type=_text(area["type"]),
            offset=_uint64(area["offset"]),
            size=_uint64(area["size"]),
            encryption=_text(area.get("encryption")),
            key_size=json_c.int64(area.get("key_size")),
        ),
        af=Af(type=_text(af.get("type")), stripes=json_c.int32(af.get("stripes")), hash=_text(af.get("hash")))
        if isinstance(af, dict)
        else None,
        kdf=_kdf(kdf) if isinstance(kdf, dict) else None,
        priority=json_c.int32(json.get("priority", PRIORITY_NORMAL)),
        reencryption=_reencryption(json, area) if kind == _REENCRYPT else None,
        digests=uses.digests(identity),
        opens_data=uses.opens_data(identity),
    )


def _reencryption(json: JsonObject, area: JsonObject) -> Reencryption:
    return Reencryption(
        mode=_text(json["mode"]),
        direction=_text(json["direction"]),
        hash=_text(area.get("hash")),
        sector_size=json_c.int32(area.get("sector_size")),
        shift_size=_text(area.get("shift_size")),
    )


def _kdf(json: JsonObject) -> Kdf:
    kind = _text(json.get("type"))
    salt = json_c.octets(json.get("salt"))
    known = kind in ("pbkdf2", "argon2i", "argon2id")
    if not known or salt is None:
        return UnknownKdf(
            type=kind,
            problem="the salt is not base64" if known else "",
            hash=_text(json.get("hash")),
            iterations=_int(json.get("iterations")),
            time=json_c.int64(json.get("time")),
            memory_kib=json_c.int64(json.get("memory")),
            parallel=json_c.int64(json.get("cpus")),
            salt=salt,
        )
    if kind == "pbkdf2":
        return Pbkdf2(hash=_text(json.get("hash")), iterations=_int(json.get("iterations")), salt=salt)
    return Argon2(
        variant=kind,
        time=json_c.int64(json.get("time")),
        memory_kib=json_c.int64(json.get("memory")),
        parallel=json_c.int64(json.get("cpus")),
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
        integrity=_text(integrity["type"]) if crypt and isinstance(integrity, dict) else None,
        claim=_claim(json),
    )


def _claim(json: JsonObject) -> EncryptionClaim:
    integrity = json.get("integrity")
    return EncryptionClaim(
        encryption=json_c.text(json["encryption"]) if "encryption" in json else None,
        sector_size=json_c.int64(json["sector_size"]) if "sector_size" in json else None,
        integrity=json_c.text(integrity["type"])
        if isinstance(integrity, dict) and "type" in integrity
        else None,
    )


def _digest(identity: int, json: JsonObject) -> Digest:
    return Digest(
        id=identity,
        type=_text(json["type"]),
        keyslots=_ids(json["keyslots"]),
        segments=_ids(json["segments"]),
        hash=json_c.text(json.get("hash")),
        iterations=json_c.int64(json.get("iterations")),
        salt=json_c.octets(json.get("salt")),
        digest=json_c.octets(json.get("digest")),
    )


def _token(identity: int, json: JsonObject) -> Token:
    kind = _text(json["type"])
    names = _strings(json["keyslots"])
    described = kind == KEYRING_TOKEN and "key_description" in json
    return Token(
        id=identity,
        type=kind,
        keyslots=_numbers(names),
        json=json,
        keyslot_names=names,
        key_description=json_c.text(json["key_description"]) if described else None,
    )


def _config(json: JsonObject) -> Config:
    requirements = json.get("requirements")
    return Config(
        json_size=strtoull_member(json, "json_size", "config"),
        keyslots_size=strtoull_member(json, "keyslots_size", "config"),
        flags=_strings(json.get("flags")),
        requirements=_strings(requirements.get("mandatory")) if isinstance(requirements, dict) else (),
    )
