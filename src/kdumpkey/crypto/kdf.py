"""From a passphrase to a key: PBKDF2 and Argon2, from the passphrase's memory into a SecretBuffer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey._native import pbkdf2
from kdumpkey.crypto import hashes
from kdumpkey.errors import KdfError, ResourceError
from kdumpkey.printable import shown
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ARGON2_VARIANTS: Final = ("argon2i", "argon2id")
ARGON2_MAX_MEMORY_KIB: Final = 4 * 1024 * 1024
_UINT32_MAX = 2**32 - 1
_PBKDF2_MAX_ITERATIONS = 2**31 - 1  # OpenSSL counts them in an int
_ARGON2_MAX_LANES = 2**24 - 1  # RFC 9106, section 3.1
_ARGON2_MIN_OUTPUT, _ARGON2_MIN_SALT = 4, 8


class Pbkdf2(NamedTuple):
    """PBKDF2 with HMAC (RFC 8018): the hash by cryptsetup's name, and the number of iterations."""

    hash: str
    iterations: int
    salt: bytes

    def __repr__(self) -> str:
        return shown(self, "salt")


class Argon2(NamedTuple):
    """Argon2 version 0x13 (RFC 9106): ``argon2i`` or ``argon2id``, passes, memory in KiB, lanes."""

    variant: str
    time: int
    memory_kib: int
    parallel: int
    salt: bytes

    def __repr__(self) -> str:
        return shown(self, "salt")


Kdf = Pbkdf2 | Argon2


def derive(
    kdf: Kdf,
    passphrase: "ReadableBuffer",
    length: int,
    *,
    lock_memory: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> SecretBuffer:
    """Derive a key of `length` bytes from a passphrase.

    The costs are taken as they come, within the bounds of the functions themselves: whether Argon2's memory
    is there is for `kdumpkey.memory.available.check_fits` to say beforehand. Ctrl-C ends it early.

    Args:
        kdf: The function with its costs and salt; may come from an untrusted header.
        passphrase: Any contiguous buffer; it is read in place.
        length: Bytes wanted, at least 1 (Argon2: at least 4).
        lock_memory: Keep Argon2's memory out of swap where that is allowed; it must fit without swap.
        progress: Told how many of Argon2's slices, four a pass, are done, and how many there are; may raise
            to cancel.

    Raises:
        KdfError: A cost, the salt or the length is out of bounds.
        CipherError: There is no such hash or Argon2 variant here.
        ResourceError: Argon2's memory cannot be allocated.
    """
    if isinstance(kdf, Pbkdf2):
        return _pbkdf2(kdf, passphrase, length)
    return _argon2(kdf, passphrase, length, lock_memory, progress)


def check(kdf: Kdf) -> None:
    """Check the costs and the salt without deriving anything.

    Raises:
        KdfError: One of them is out of bounds; the message names it.
    """
    if isinstance(kdf, Pbkdf2):
        _bounded("pbkdf2 iterations", kdf.iterations, 1, _PBKDF2_MAX_ITERATIONS)
        return
    if kdf.variant not in ARGON2_VARIANTS:
        raise KdfError(f"unknown key derivation function {kdf.variant!r}")
    _bounded(f"{kdf.variant} time", kdf.time, 1, _UINT32_MAX)
    _bounded(f"{kdf.variant} parallel threads", kdf.parallel, 1, _ARGON2_MAX_LANES)
    _bounded(f"{kdf.variant} memory in KiB", kdf.memory_kib, 8 * kdf.parallel, ARGON2_MAX_MEMORY_KIB)
    _bounded(f"{kdf.variant} salt length", len(kdf.salt), _ARGON2_MIN_SALT, _UINT32_MAX)


def _bounded(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise KdfError(f"{what} {value} is out of bounds ({low} to {high})")


def check_output(kdf: Kdf, length: int) -> None:
    """Check the costs, the salt, and the length of the key wanted.

    Raises:
        KdfError: One of them is out of bounds; the message names it.
    """
    check(kdf)
    if isinstance(kdf, Pbkdf2):
        _bounded("pbkdf2 output length", length, 1, _UINT32_MAX)
    else:
        _bounded(f"{kdf.variant} output length", length, _ARGON2_MIN_OUTPUT, _UINT32_MAX)


def _pbkdf2(kdf: Pbkdf2, passphrase: "ReadableBuffer", length: int) -> SecretBuffer:
    check_output(kdf, length)
    name = kdf.hash.lower()
    if name not in pbkdf2.hashes():
        return _pbkdf2_by_openssl(kdf, passphrase, length)
    key = SecretBuffer(length)
    try:
        pbkdf2.derive_into(key, passphrase, kdf.salt, hash=name, iterations=kdf.iterations)
    except BaseException:
        key.close()
        raise
    return key


def _pbkdf2_by_openssl(kdf: Pbkdf2, passphrase: "ReadableBuffer", length: int) -> SecretBuffer:
    """With the other hashes, by the OpenSSL of `cryptography`, which is the quicker one, or of Python."""
    name = hashes.find(kdf.hash).openssl_name
    key = SecretBuffer(length)
    try:
        if hashes.pbkdf2_by_cryptography(name, key, passphrase, kdf.salt, kdf.iterations):
            return key
    except BaseException:
        key.close()
        raise
    key.close()
    from kdumpkey.crypto import openssl  # noqa: PLC0415 - only these hashes are its

    # Two bytes at least: the interpreter shares one-byte objects, and those cannot be taken.
    return take(openssl.pbkdf2(name, passphrase, kdf.salt, kdf.iterations, max(length, 2)), length)


def _argon2(
    kdf: Argon2,
    passphrase: "ReadableBuffer",
    length: int,
    lock_memory: bool,
    progress: Callable[[int, int], object] | None,
) -> SecretBuffer:
    check_output(kdf, length)
    # Only a keyslot with Argon2 pays for these imports.
    from kdumpkey._native import argon2  # noqa: PLC0415
    from kdumpkey.crypto import processors  # noqa: PLC0415

    key = SecretBuffer(length)
    try:
        argon2.derive_into(
            key,
            passphrase,
            kdf.salt,
            variant=kdf.variant,
            passes=kdf.time,
            memory_kib=kdf.memory_kib,
            lanes=kdf.parallel,
            threads=processors.available() if kdf.parallel > 1 else 1,
            lock=lock_memory,
            progress=progress,
        )
    except MemoryError as error:
        key.close()
        raise ResourceError(f"{kdf.memory_kib} KiB for {kdf.variant} cannot be allocated") from error
    except BaseException:
        key.close()
        raise
    return key
