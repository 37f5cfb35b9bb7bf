"""Hash functions by the names that LUKS headers give them.

SHA-1, SHA-256 and SHA-512 are the engine's. The others are the platform's OpenSSL's, as far as it has them:
it is imported when one is asked for, which takes longer than most headers take to be read.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey._native.pbkdf2 import Sha
from kdumpkey.errors import CipherError

if TYPE_CHECKING:
    from typing import Protocol, Self

    from _typeshed import ReadableBuffer

    from kdumpkey.secret import SecretBuffer

    class HashObject(Protocol):
        """What hashlib's constructors return, as far as it is used here."""

        def update(self, data: "ReadableBuffer", /) -> None:
            """Hash more data."""

        def copy(self) -> "Self":
            """Another object that has hashed the same data."""

        def digest(self) -> bytes:
            """The hash of everything so far."""


_ENGINE_SIZES: Final = {"sha1": 20, "sha256": 32, "sha512": 64}  # bytes
# Where cryptsetup's name is not OpenSSL's. Names outside this table go to OpenSSL as they are.
_OPENSSL_NAMES = {"blake2b-512": "blake2b512", "blake2s-256": "blake2s256"}


class Hash(NamedTuple):
    """A hash function that is there: its name in the header, its name for hashlib, its length in bytes."""

    name: str
    openssl_name: str
    size: int
    new: Callable[..., "HashObject"]


def find(name: str) -> Hash:
    """The hash function that a header calls `name`.

    Args:
        name: As cryptsetup writes it: ``sha256``, ``blake2b-512``, ``whirlpool`` …

    Raises:
        CipherError: This OpenSSL, if there is one, has no such hash of fixed length.
    """
    if not (name.isascii() and name.isprintable()):
        raise CipherError(f"hash {name!r} is not available")
    lowered = name.lower()
    if (size := _ENGINE_SIZES.get(lowered)) is not None:
        return Hash(name, lowered, size, partial(Sha, lowered))
    openssl_name = _OPENSSL_NAMES.get(lowered, lowered)
    try:
        from kdumpkey.crypto import openssl  # noqa: PLC0415 - it takes milliseconds, and hardly any header needs it
    except ImportError as error:
        raise CipherError(f"hash {name!r} is not available: this Python has no OpenSSL") from error
    found = openssl.find(openssl_name)
    if found is None:
        raise CipherError(f"hash {name!r} is not available")
    return Hash(name, openssl_name, *found)


def in_engine(name: str) -> bool:
    """Whether the hash that a header calls `name` needs no OpenSSL."""
    return name.lower() in _ENGINE_SIZES


def pbkdf2_by_cryptography(
    openssl_name: str, key: "SecretBuffer", passphrase: "ReadableBuffer", salt: bytes, iterations: int
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
