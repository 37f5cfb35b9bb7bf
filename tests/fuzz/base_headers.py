"""JSON areas as cryptsetup 2.6.1 wrote them, random fields replaced: what mutations start from."""

from __future__ import annotations

import copy
from typing import Any

SALT = "2nBiKxYeqVcVqITxFvy9VezIiBv/dcEqu4vv2xjzjjE="

_PBKDF2 = {"type": "pbkdf2", "hash": "sha256", "iterations": 1000, "salt": SALT}
_ARGON2 = {"type": "argon2id", "time": 4, "memory": 65536, "cpus": 2, "salt": SALT}


def _keyslot(offset: int, kdf: dict[str, Any] = _PBKDF2, **more: Any) -> dict[str, Any]:
    area = {
        "type": "raw",
        "offset": str(offset),
        "size": "258048",
        "encryption": "aes-xts-plain64",
        "key_size": 64,
    }
    af = {"type": "luks1", "stripes": 4000, "hash": "sha256"}
    return {"type": "luks2", "key_size": 64, "af": af, "area": area, "kdf": kdf, **more}


def _crypt(offset: int, size: str = "dynamic", sector_size: int = 4096, **more: Any) -> dict[str, Any]:
    return {
        "type": "crypt",
        "offset": str(offset),
        "size": size,
        "iv_tweak": "0",
        "encryption": "aes-xts-plain64",
        "sector_size": sector_size,
        **more,
    }


def _linear(offset: int, size: int, *flags: str) -> dict[str, Any]:
    segment = {"type": "linear", "offset": str(offset), "size": str(size)}
    return {**segment, "flags": list(flags)} if flags else segment


def _digest(keyslots: list[str], segments: list[str]) -> dict[str, Any]:
    return {
        "type": "pbkdf2",
        "keyslots": keyslots,
        "segments": segments,
        "hash": "sha256",
        "iterations": 1000,
        "salt": SALT,
        "digest": SALT,
    }


def _reencrypt(offset: int, size: int, mode: str, direction: str, **area: Any) -> dict[str, Any]:
    return {
        "area": {"offset": str(offset), "size": str(size), **area},
        "type": "reencrypt",
        "key_size": 1,
        "mode": mode,
        "direction": direction,
        "priority": 0,
    }


_CONFIG = {"json_size": "12288", "keyslots_size": "16744448"}
_REENCRYPTING = {**_CONFIG, "requirements": {"mandatory": ["online-reencrypt-v2"]}}

BASES: dict[str, dict[str, Any]] = {
    # luksFormat
    "plain": {
        "keyslots": {"0": _keyslot(32768)},
        "tokens": {},
        "segments": {"0": _crypt(16777216)},
        "digests": {"0": _digest(["0"], ["0"])},
        "config": _CONFIG,
    },
    # luksFormat, luksAddKey (argon2id), luksAddKey --unbound, token add, config --priority prefer
    "slots and tokens": {
        "keyslots": {
            "0": _keyslot(32768, priority=2),
            "1": _keyslot(290816, _ARGON2),
            "2": _keyslot(548864),
        },
        "tokens": {"0": {"type": "luks2-keyring", "keyslots": ["0"], "key_description": "a:b"}},
        "segments": {"0": _crypt(16777216)},
        "digests": {"0": _digest(["0", "1"], ["0"]), "1": _digest(["2"], [])},
        "config": {**_CONFIG, "flags": ["allow-discards", "no-read-workqueue"]},
    },
    # luksFormat --header
    "detached": {
        "keyslots": {"0": _keyslot(32768)},
        "tokens": {},
        "segments": {"0": _crypt(0, sector_size=512)},
        "digests": {"0": _digest(["0"], ["0"])},
        "config": _CONFIG,
    },
    # reencrypt --init-only --resilience checksum
    "reencryption": {
        "keyslots": {
            "0": _keyslot(32768),
            "1": _keyslot(290816),
            "2": _reencrypt(
                548864, 16228352, "reencrypt", "forward", type="checksum", hash="sha256", sector_size=4096
            ),
        },
        "tokens": {},
        "segments": {
            "0": _crypt(16777216),
            "1": _crypt(16777216, flags=["backup-previous"]),
            "2": _crypt(16777216, flags=["backup-final"]),
        },
        "digests": {
            "0": _digest(["0"], ["0", "1"]),
            "1": _digest(["1"], ["2"]),
            "2": _digest(["2"], []),
        },
        "config": _REENCRYPTING,
    },
    # reencrypt --encrypt --init-only --reduce-device-size 32M
    "encryption": {
        "keyslots": {
            "0": _keyslot(32768),
            "1": _reencrypt(290816, 4096, "encrypt", "backward", type="datashift", shift_size="16777216"),
        },
        "tokens": {},
        "segments": {
            "0": _linear(50331648, 16777216),
            "1": _linear(16777216, 16777216),
            "2": _linear(50331648, 16777216, "backup-moved-segment"),
            "3": _linear(0, 33554432, "backup-previous"),
            "4": _crypt(16777216, sector_size=512, flags=["backup-final"]),
        },
        "digests": {"0": _digest(["0"], ["4"]), "1": _digest(["1"], [])},
        "config": _REENCRYPTING,
    },
    # reencrypt --encrypt, stopped half way: a crypt segment before a linear one
    "two segments": {
        "keyslots": {"0": _keyslot(32768)},
        "tokens": {},
        "segments": {"0": _crypt(16777216, "1048576"), "1": _linear(17825792, 1048576)},
        "digests": {"0": _digest(["0"], ["0"])},
        "config": _CONFIG,
    },
    # luksFormat --integrity hmac-sha256
    "integrity": {
        "keyslots": {"0": _keyslot(32768)},
        "tokens": {},
        "segments": {
            "0": _crypt(
                16777216,
                integrity={"type": "hmac(sha256)", "journal_encryption": "none", "journal_integrity": "none"},
            )
        },
        "digests": {"0": _digest(["0"], ["0"])},
        "config": _CONFIG,
    },
    # --luks2-metadata-size 32k --luks2-keyslots-size 1m
    "other sizes": {
        "keyslots": {"0": _keyslot(65536)},
        "tokens": {},
        "segments": {"0": _crypt(1114112)},
        "digests": {"0": _digest(["0"], ["0"])},
        "config": {"json_size": "28672", "keyslots_size": "1048576"},
    },
}


def base(name: str) -> dict[str, Any]:
    """A copy of one of the bases, free to change."""
    return copy.deepcopy(BASES[name])
