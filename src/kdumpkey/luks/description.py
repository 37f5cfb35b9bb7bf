"""What a header says, as values for JSON: one schema for both versions, documented in docs/json.md.

Salts and digests are left out: only a program that opens the device needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.luks.model import (
    PRIORITY_IGNORE,
    PRIORITY_NORMAL,
    PRIORITY_PREFER,
    Luks1Header,
    Luks2Header,
    LuksHeader,
    UnknownKdf,
)

if TYPE_CHECKING:
    from kdumpkey.luks.model import Digest, HeaderCopy, Kdf, Keyslot, Segment, Token

    Description = dict[str, object]

_PRIORITIES: Final = {PRIORITY_IGNORE: "ignore", PRIORITY_NORMAL: "normal", PRIORITY_PREFER: "prefer"}


def described(header: LuksHeader) -> Description:
    """The whole header.

    Args:
        header: Of either version.
    """
    return {
        "version": header.version,
        "uuid": _text(header.uuid),
        **_of_one_version(header),
        "copies": [_copy(copy) for copy in header.copies],
        "segments": [_segment(each) for each in header.segments.values()],
        "keyslots": [_keyslot(each, header) for each in header.keyslots.values()],
        "tokens": [_token(each) for each in header.tokens.values()],
        "digests": [_digest(each) for each in header.digests.values()],
    }


def identity(header: LuksHeader) -> Description:
    """What tells the device from others: the version and the UUID."""
    return {"version": header.version, "uuid": _text(header.uuid)}


def _of_one_version(header: LuksHeader) -> Description:
    match header:
        case Luks1Header():
            return {}
        case Luks2Header():
            return {
                "label": _text(header.label),
                "subsystem": _text(header.subsystem),
                "epoch": header.seqid,
                "metadata_bytes": header.metadata_size,
                "keyslots_area_bytes": header.config.keyslots_size,
                "checksum": _text(header.checksum_alg),
                "flags": [_text(flag) for flag in header.config.flags],
                "requirements": [_text(name) for name in header.requirements],
            }
        case _:
            assert_never(header)


def _copy(copy: HeaderCopy) -> Description:
    return {"offset_bytes": copy.offset, "state": copy.state.value, "problem": _text(copy.problem) or None}


def _segment(segment: Segment) -> Description:
    crypt = segment.type == "crypt"
    return {
        "id": segment.id,
        "type": _text(segment.type),
        "offset_bytes": segment.offset,
        "size_bytes": segment.size,
        "flags": [_text(flag) for flag in segment.flags],
        "cipher": _text(segment.encryption) if crypt else None,
        "sector_bytes": segment.sector_size if crypt else None,
        "iv_tweak_sectors": segment.iv_tweak if crypt else None,
        "integrity": None if segment.integrity is None else _text(segment.integrity),
    }


def _keyslot(keyslot: Keyslot, header: LuksHeader) -> Description:
    area, af = keyslot.area, keyslot.af
    return {
        "id": keyslot.id,
        "type": _text(keyslot.type),
        "key_bits": keyslot.key_size * 8,
        "priority": _PRIORITIES.get(keyslot.priority),
        "bound": not header.is_unbound(keyslot.id),
        "area": {
            "type": _text(area.type),
            "offset_bytes": area.offset,
            "size_bytes": area.size,
            "cipher": _text(area.encryption) or None,
            "key_bits": area.key_size * 8,
        },
        "kdf": None if keyslot.kdf is None else _kdf(keyslot.kdf),
        "af": None if af is None else {"stripes": af.stripes, "hash": _text(af.hash)},
    }


def _kdf(kdf: Kdf) -> Description:
    match kdf:
        case Pbkdf2():
            return {"type": "pbkdf2", "hash": _text(kdf.hash), "iterations": kdf.iterations}
        case Argon2():
            return {
                "type": kdf.variant,
                "iterations": kdf.time,
                "memory_kib": kdf.memory_kib,
                "threads": kdf.parallel,
            }
        case UnknownKdf():
            return {"type": _text(kdf.type), "problem": kdf.problem or "unknown"}


def _token(token: Token) -> Description:
    description = token.key_description
    return {
        "id": token.id,
        "type": _text(token.type),
        "keyslots": list(token.keyslots),
        "key_description": None if description is None else _text(description),
    }


def _digest(digest: Digest) -> Description:
    return {
        "id": digest.id,
        "type": _text(digest.type),
        "hash": _text(digest.hash),
        "iterations": digest.iterations,
        "keyslots": list(digest.keyslots),
        "segments": list(digest.segments),
    }


def _text(text: str) -> str:
    """A text without half characters, which JSON's readers refuse: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
