"""LUKS2 headers that are rare but valid: made by changing the metadata of one that really opens."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz.images import Copy
from kdumpkey.luks import layout

Json = dict[str, Any]
Change = Callable[[Json], None]
LAST_SEQID = (1 << 64) - 1


def metadata_of(image: bytes) -> Json:
    """The JSON of an image's primary header."""
    size = layout.Luks2Binary.unpack(image[:4096]).hdr_size
    found: Json = json.loads(image[4096:size].partition(b"\0")[0])
    return found


def with_metadata(image: bytes, change: Change = lambda _: None, **fields: Any) -> bytes:
    """An image whose copies both say something else.

    Args:
        image: A LUKS2 image.
        change: Changes the metadata.
        fields: Of the binary header, as of `fuzz.images.Copy`.
    """
    binary = layout.Luks2Binary.unpack(image[:4096])
    metadata = copy.deepcopy(metadata_of(image))
    change(metadata)
    text = json.dumps(metadata, separators=(",", ":")).encode()
    size = binary.hdr_size
    said = {
        "seqid": binary.seqid,
        "uuid": binary.uuid,
        "label": binary.label,
        "subsystem": binary.subsystem,
        "csum_alg": binary.csum_alg,
        **fields,
    }
    made = bytearray(image)
    made[:size] = Copy(text, hdr_size=size, **said).pack(size - 4096)
    made[size : 2 * size] = Copy(text, layout.MAGIC_SECONDARY, hdr_size=size, hdr_offset=size, **said).pack(
        size - 4096
    )
    return bytes(made)


def requiring(*names: str) -> Change:
    def change(metadata: Json) -> None:
        metadata["config"]["requirements"] = {"mandatory": list(names)}

    return change


def without_priority_sorting(metadata: Json) -> None:
    metadata["keyslots"]["0"]["priority"] = 0


def with_unknown_keyslot(metadata: Json) -> None:
    metadata["keyslots"]["9"] = {
        "type": "future",
        "key_size": 64,
        "area": {"type": "none", "offset": "1900544", "size": "4096"},
    }


def with_unknown_keyslot_in_digest(metadata: Json) -> None:
    with_unknown_keyslot(metadata)
    metadata["digests"]["0"]["keyslots"].append("9")


def with_unknown_kdf(metadata: Json) -> None:
    metadata["keyslots"]["1"]["kdf"] = {"type": "scrypt", "n": 1}


def with_leftover_kdf_parameter(metadata: Json) -> None:
    metadata["keyslots"]["0"]["kdf"]["time"] = 4


def with_unknown_token(metadata: Json) -> None:
    metadata["tokens"]["7"] = {"type": "future", "keyslots": ["0", "1"], "more": {"a": [1, None, True]}}


def with_unknown_members(metadata: Json) -> None:
    metadata["more"] = {"a": 1}
    for section in ("keyslots", "segments", "digests"):
        metadata[section]["0"]["more"] = [1.5, "x"]
    metadata["config"]["more"] = None


def with_unknown_digest(metadata: Json) -> None:
    metadata["digests"]["5"] = {"type": "future", "keyslots": [], "segments": []}


def named_twice_in_its_digest(metadata: Json) -> None:
    metadata["digests"]["0"]["keyslots"] *= 2


def with_keyslot_beyond_the_limit(metadata: Json) -> None:
    metadata["keyslots"]["40"] = metadata["keyslots"].pop("1")
    names = metadata["digests"]["0"]["keyslots"]
    names[names.index("1")] = "40"


def with_digits_in_another_form(metadata: Json) -> None:
    metadata["keyslots"]["0"]["area"]["offset"] = "000032768"


def with_unknown_flags(metadata: Json) -> None:
    metadata["config"]["flags"] = ["future", "allow-discards"]


def with_unknown_segment(metadata: Json) -> None:
    segment = metadata["segments"]["0"]
    segment["size"] = "524288"
    metadata["segments"]["1"] = {"type": "future", "offset": str(3 << 20), "size": "dynamic"}


def with_room_for_little(metadata: Json) -> None:
    spare = 12288 - len(json.dumps(metadata, separators=(",", ":"))) - 80
    metadata["tokens"]["7"] = {"type": "future", "keyslots": [], "x": "y" * spare}


# What is said of the binary header, and how the metadata are changed.
ODD: dict[str, tuple[dict[str, Any], Change]] = {
    "nothing odd": ({}, lambda _: None),
    "the last sequence number": ({"seqid": LAST_SEQID}, lambda _: None),
    "the last sequence number but one": ({"seqid": LAST_SEQID - 1}, lambda _: None),
    "a high sequence number": ({"seqid": LAST_SEQID - 600}, lambda _: None),
    "sequence number 0": ({"seqid": 0}, lambda _: None),
    "an unknown requirement": ({}, requiring("future-feature")),
    "several requirements": ({}, requiring("future", "opal", "inline-hw-tags")),
    "opal": ({}, requiring("opal")),
    "inline tags": ({}, requiring("inline-hw-tags")),
    "offline reencryption": ({}, requiring("offline-reencrypt")),
    "a later reencryption": ({}, requiring("online-reencrypt-v9")),
    "a keyslot that is ignored": ({}, without_priority_sorting),
    "a keyslot of an unknown type": ({}, with_unknown_keyslot),
    "a keyslot of an unknown type in a digest": ({}, with_unknown_keyslot_in_digest),
    "an unknown KDF": ({}, with_unknown_kdf),
    "a leftover KDF parameter": ({}, with_leftover_kdf_parameter),
    "an unknown token": ({}, with_unknown_token),
    "unknown members": ({}, with_unknown_members),
    "an unknown digest": ({}, with_unknown_digest),
    "a keyslot named twice in its digest": ({}, named_twice_in_its_digest),
    "keyslot 40": ({}, with_keyslot_beyond_the_limit),
    "a number with leading zeros": ({}, with_digits_in_another_form),
    "unknown flags": ({}, with_unknown_flags),
    "an unknown segment": ({}, with_unknown_segment),
    "little room for JSON": ({}, with_room_for_little),
    "a label without its NUL": ({"label": b"l" * 48}, lambda _: None),
    "a UUID without its NUL": ({"uuid": b"u" * 40}, lambda _: None),
    "a UUID that is none": ({"uuid": b"not a uuid"}, lambda _: None),
    "no UUID": ({"uuid": b""}, lambda _: None),
    "another checksum": ({"csum_alg": b"sha512"}, lambda _: None),
}


def rewrite(path: Path, change: Change) -> Path:
    """Have the LUKS2 header of an image file say something else; its checksums are right."""
    path.write_bytes(with_metadata(path.read_bytes(), change))
    return path
