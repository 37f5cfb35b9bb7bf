"""The hashes of the OpenSSL that Python is linked with; without one, as in a small initramfs, no import."""

from __future__ import annotations

import _hashlib
import ctypes
import hashlib
from _thread import allocate_lock
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.hashes import HashObject

# OpenSSL 3 keeps these in its legacy provider, which is not loaded by itself.
_LEGACY: Final = frozenset({"whirlpool", "ripemd160", "rmd160", "md4"})

_provider_lock = allocate_lock()
_providers_loaded = False


def find(name: str) -> tuple[int, Callable[[ReadableBuffer], HashObject]] | None:
    """The size in bytes of a hash of fixed length, and what makes its objects; None: there is no such hash.

    Args:
        name: As OpenSSL calls it.
    """
    found = _probe(name)
    if found is None and name in _LEGACY and _load_legacy_provider():
        found = _probe(name)
    return found


def pbkdf2(name: str, passphrase: ReadableBuffer, salt: bytes, iterations: int, nbytes: int) -> bytes:
    """What PBKDF2 derives with a hash that `find` found; a fresh object."""
    return hashlib.pbkdf2_hmac(name, passphrase, salt, iterations, nbytes)


def _probe(name: str) -> tuple[int, Callable[[ReadableBuffer], HashObject]] | None:
    # The named constructors skip a look-up by name, which the splitter's 8,000 calls would feel.
    named = getattr(hashlib, name, None) if name in hashlib.algorithms_guaranteed else None

    def by_name(data: ReadableBuffer) -> HashObject:
        return hashlib.new(name, data)

    new: Callable[[ReadableBuffer], HashObject] = named or by_name
    try:
        size = hashlib.new(name).digest_size
        hashlib.pbkdf2_hmac(name, b"", b"", 1, 1)  # hashlib also has hashes of its own; KDFs need OpenSSL's
    except ValueError:
        return None
    return (size, new) if size else None  # 0: an extendable one, shake


def _load_legacy_provider() -> bool:
    """Load OpenSSL's legacy provider into the libcrypto that hashlib uses; False where that cannot be."""
    global _providers_loaded  # noqa: PLW0603 (the state of a library that the process has once)
    with _provider_lock:
        if not _providers_loaded:
            try:
                # A handle on the extension module finds the symbols of the libcrypto it is linked with.
                load = ctypes.CDLL(getattr(_hashlib, "__file__", None)).OSSL_PROVIDER_load
            except (OSError, AttributeError):  # before OpenSSL 3.0
                return False
            load.restype, load.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
            # Any provider loaded by name ends the implicit loading of the default one.
            _providers_loaded = bool(load(None, b"default")) and bool(load(None, b"legacy"))
        return _providers_loaded
