"""Hashes named by a header, of which any may be asked for and only some exist."""

from __future__ import annotations

import hashlib

from kdumpkey.errors import HeaderError

# Headers spell hashes as OpenSSL does; hashlib has some of those only under names of its own, and adds names
# that no other reader knows.
_HASHLIB_NAME = {
    "blake2b-512": "blake2b",
    "blake2b512": "blake2b",
    "blake2s-256": "blake2s",
    "blake2s256": "blake2s",
    "shake128": "shake_128",
    "shake-128": "shake_128",
    "shake256": "shake_256",
    "shake-256": "shake_256",
}
_HASHLIB_ONLY = frozenset({"blake2b", "blake2s"})
_SHAKE_SIZE = {"shake_128": 16, "shake_256": 32}
# In OpenSSL's legacy provider, which cryptsetup loads and hashlib does not: a header may name them.
_SIZE_ELSEWHERE = {"whirlpool": 64, "md4": 16}


def digest_size(name: str) -> int:
    """Return the length in bytes of a hash that a header may name, or 0 where there is no such hash."""
    wanted = _hashlib_name(name)
    if wanted in _SHAKE_SIZE:
        return _SHAKE_SIZE[wanted]
    try:
        return hashlib.new(wanted, usedforsecurity=False).digest_size
    except ValueError:
        return _SIZE_ELSEWHERE.get(name.lower(), 0)


def digest(name: str, *parts: bytes | bytearray | memoryview) -> bytes:
    """Return the hash of the parts one after another.

    Raises:
        HeaderError: There is no such hash here.
    """
    wanted = _hashlib_name(name)
    try:
        state = hashlib.new(wanted, usedforsecurity=False)
    except ValueError as error:
        raise HeaderError(f"hash algorithm {name} is not available") from error
    for part in parts:
        state.update(part)
    if wanted in _SHAKE_SIZE:
        return state.digest(_SHAKE_SIZE[wanted])  # type: ignore[call-arg]
    return state.digest()


def _hashlib_name(name: str) -> str:
    lower = name.lower()
    if lower in _HASHLIB_ONLY or "_" in lower or not name.isascii():
        return "\x7f"  # no hash has this name
    return _HASHLIB_NAME.get(lower, name)
