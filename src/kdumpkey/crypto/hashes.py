"""Hash functions by the names that LUKS headers give them, as far as the platform's OpenSSL has them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from kdumpkey.errors import CipherError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.secret import SecretBuffer

# Where cryptsetup's name is not OpenSSL's. Names outside this table go to OpenSSL as they are.
_OPENSSL_NAMES = {"blake2b-512": "blake2b512", "blake2s-256": "blake2s256"}
# OpenSSL 3 keeps these in its legacy provider, which is not loaded by itself.
_LEGACY = frozenset({"whirlpool", "ripemd160", "rmd160", "md4"})

_provider_lock = threading.Lock()
_providers_loaded = False


class HashObject(Protocol):
    """What hashlib's constructors return, as far as it is used here."""

    def update(self, data: ReadableBuffer, /) -> None:
        """Hash more data."""

    def copy(self) -> Self:
        """Another object that has hashed the same data."""

    def digest(self) -> bytes:
        """The hash of everything so far."""


@dataclass(frozen=True)
class Hash:
    """A hash function that is there: its name in the header, its name for hashlib, its length in bytes."""

    name: str
    openssl_name: str
    size: int
    new: Callable[[ReadableBuffer], HashObject]


def find(name: str) -> Hash:
    """The hash function that a header calls `name`.

    Args:
        name: As cryptsetup writes it: ``sha256``, ``blake2b-512``, ``whirlpool`` …

    Raises:
        CipherError: This OpenSSL has no such hash of fixed length.
    """
    if not (name.isascii() and name.isprintable()):
        raise CipherError(f"hash {name!r} is not available")
    lowered = name.lower()
    openssl_name = _OPENSSL_NAMES.get(lowered, lowered)
    found = _probe(name, openssl_name)
    if found is None and lowered in _LEGACY and _load_legacy_provider():
        found = _probe(name, openssl_name)
    if found is None:
        raise CipherError(f"hash {name!r} is not available")
    return found


def pbkdf2_by_cryptography(
    openssl_name: str, key: SecretBuffer, passphrase: ReadableBuffer, salt: bytes, iterations: int
) -> bool:
    """Fill a key by the PBKDF2 of `cryptography`.

    Returns:
        False, and nothing is written, where it has no such hash, is too old, or is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - hardly any header needs it
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC  # noqa: PLC0415
    except ImportError:  # an initramfs without it
        return False
    algorithms: dict[str, hashes.HashAlgorithm] = {
        "sha224": hashes.SHA224(),
        "sha384": hashes.SHA384(),
        "sha512-256": hashes.SHA512_256(),
        "sha3-256": hashes.SHA3_256(),
        "sha3-512": hashes.SHA3_512(),
        "blake2b512": hashes.BLAKE2b(64),
        "blake2s256": hashes.BLAKE2s(32),
        "sm3": hashes.SM3(),
    }
    algorithm = algorithms.get(openssl_name)
    if algorithm is None:
        return False
    try:
        function = PBKDF2HMAC(algorithm=algorithm, length=len(key), salt=salt, iterations=iterations)
        with memoryview(key) as out, memoryview(passphrase) as secret:
            function.derive_into(secret, out)
    except (UnsupportedAlgorithm, AttributeError):  # derive_into came with version 47
        return False
    return True


def _probe(name: str, openssl_name: str) -> Hash | None:
    # The named constructors skip a look-up by name, which the splitter's 8,000 calls would feel.
    named = getattr(hashlib, openssl_name, None) if openssl_name in hashlib.algorithms_guaranteed else None

    def by_name(data: ReadableBuffer) -> HashObject:
        return hashlib.new(openssl_name, data)

    new: Callable[[ReadableBuffer], HashObject] = named or by_name
    try:
        size = hashlib.new(openssl_name).digest_size
        hashlib.pbkdf2_hmac(
            openssl_name, b"", b"", 1, 1
        )  # hashlib also has hashes of its own; KDFs need OpenSSL's
    except ValueError:
        return None
    return Hash(name, openssl_name, size, new) if size else None  # 0: an extendable one, shake


def _load_legacy_provider() -> bool:
    """Load OpenSSL's legacy provider into the libcrypto that hashlib uses; False where that cannot be."""
    global _providers_loaded  # noqa: PLW0603 (the state of a library that the process has once)
    import ctypes  # noqa: PLC0415 - hardly any header names these hashes

    with _provider_lock:
        if not _providers_loaded:
            try:
                import _hashlib  # noqa: PLC0415 (absent in a Python without OpenSSL)

                # A handle on the extension module finds the symbols of the libcrypto it is linked with.
                load = ctypes.CDLL(getattr(_hashlib, "__file__", None)).OSSL_PROVIDER_load
            except (ImportError, OSError, AttributeError):  # no OpenSSL, or one before 3.0
                return False
            load.restype, load.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
            # Any provider loaded by name ends the implicit loading of the default one.
            _providers_loaded = bool(load(None, b"default")) and bool(load(None, b"legacy"))
        return _providers_loaded
