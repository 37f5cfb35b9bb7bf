"""Hashes named by a header, of which any may be asked for and only some exist."""

from __future__ import annotations

from kdumpkey.crypto import hashes
from kdumpkey.errors import CipherError, HeaderError

# OpenSSL gives these a fixed length, so cryptsetup loads headers that name them; no key is derived with them.
_EXTENDABLE = {"shake128": 16, "shake-128": 16, "shake256": 32, "shake-256": 32}
# hashlib's own spellings, which no other reader of headers knows.
_HASHLIB_ONLY = frozenset({"blake2b", "blake2s"})


def digest_size(name: str) -> int:
    """Return the length in bytes of a hash that a header may name; 0: there is no such hash."""
    lowered = name.lower()
    if lowered in _EXTENDABLE:
        return _EXTENDABLE[lowered]
    try:
        return _find(name).size
    except CipherError:
        return 0


def digest(name: str, *parts: bytes | bytearray | memoryview) -> bytes:
    """Return the hash of the parts one after another.

    Raises:
        HeaderError: There is no such hash here.
    """
    try:
        state = _find(name).new(b"")
    except CipherError as error:
        raise HeaderError(f"the header's checksum cannot be computed: {error}") from error
    for part in parts:
        state.update(part)
    return state.digest()


def _find(name: str) -> hashes.Hash:
    if name.lower() in _HASHLIB_ONLY or "_" in name:
        raise CipherError(f"hash {name!r} is not available")
    return hashes.find(name)
