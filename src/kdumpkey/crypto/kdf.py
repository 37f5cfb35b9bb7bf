"""From a passphrase to a key: PBKDF2 and Argon2, from the passphrase's memory into a SecretBuffer."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto import hashes
from kdumpkey.errors import KdfError, ResourceError
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ARGON2_VARIANTS: Final = ("argon2i", "argon2id")
ARGON2_MAX_MEMORY_KIB: Final = 4 * 1024 * 1024
_UINT32_MAX = 2**32 - 1
_PBKDF2_MAX_ITERATIONS = 2**31 - 1  # OpenSSL counts them in an int
_ARGON2_MAX_LANES = 2**24 - 1  # RFC 9106, section 3.1
_ARGON2_MIN_OUTPUT, _ARGON2_MIN_SALT = 4, 8


@dataclass(frozen=True)
class Pbkdf2:
    """PBKDF2 with HMAC (RFC 8018): the hash by cryptsetup's name, and the number of iterations."""

    hash: str
    iterations: int
    salt: bytes


@dataclass(frozen=True)
class Argon2:
    """Argon2 version 0x13 (RFC 9106): ``argon2i`` or ``argon2id``, passes, memory in KiB, lanes."""

    variant: str
    time: int
    memory_kib: int
    parallel: int
    salt: bytes


Kdf = Pbkdf2 | Argon2


def derive(kdf: Kdf, passphrase: ReadableBuffer, length: int) -> SecretBuffer:
    """Derive a key of `length` bytes from a passphrase.

    The costs are taken as they come, within the bounds of the functions themselves: whether Argon2's memory
    is there is for `kdumpkey.memory.available.check_fits` to say beforehand.

    Args:
        kdf: The function with its costs and salt; may come from an untrusted header.
        passphrase: Any contiguous buffer; it is read in place.
        length: Bytes wanted, at least 1 (Argon2: at least 4).

    Raises:
        KdfError: A cost, the salt or the length is out of bounds.
        CipherError: There is no such hash or Argon2 variant here.
        ResourceError: Argon2's memory cannot be allocated, or its threads cannot be started.
    """
    if isinstance(kdf, Pbkdf2):
        return _pbkdf2(kdf, passphrase, length)
    return _argon2(kdf, passphrase, length)


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


def _pbkdf2(kdf: Pbkdf2, passphrase: ReadableBuffer, length: int) -> SecretBuffer:
    check(kdf)
    _bounded("pbkdf2 output length", length, 1, _UINT32_MAX)
    name = hashes.find(kdf.hash).openssl_name
    # Two bytes at least: the interpreter shares one-byte objects, and those cannot be taken.
    return take(hashlib.pbkdf2_hmac(name, passphrase, kdf.salt, kdf.iterations, max(length, 2)), length)


def _argon2(kdf: Argon2, passphrase: ReadableBuffer, length: int) -> SecretBuffer:
    check(kdf)
    _bounded(f"{kdf.variant} output length", length, _ARGON2_MIN_OUTPUT, _UINT32_MAX)
    # Only a keyslot with Argon2 pays for this import.
    from _argon2_cffi_bindings import ffi, lib  # noqa: PLC0415

    key = SecretBuffer(length)
    context = ffi.new(
        "argon2_context *",
        {
            "out": (out := ffi.from_buffer("uint8_t[]", key, require_writable=True)),
            "outlen": length,
            "pwd": (pwd := ffi.from_buffer("uint8_t[]", passphrase)),
            "pwdlen": len(pwd),
            "salt": (salt := ffi.from_buffer("uint8_t[]", kdf.salt)),
            "saltlen": len(salt),
            "t_cost": kdf.time,
            "m_cost": kdf.memory_kib,
            "lanes": kdf.parallel,
            # Lanes decide the result, threads do not: half a million lanes must not start as many.
            "threads": min(kdf.parallel, max(4, os.cpu_count() or 1)),
            "version": lib.ARGON2_VERSION_13,
            "flags": lib.ARGON2_DEFAULT_FLAGS,
        },
    )
    try:
        status = lib.argon2_ctx(context, lib.Argon2_i if kdf.variant == "argon2i" else lib.Argon2_id)
    finally:
        for borrowed in (out, pwd, salt):
            ffi.release(borrowed)  # an exported view would keep a closed buffer's mapping
    if status == lib.ARGON2_OK:
        return key
    key.close()
    if status == lib.ARGON2_MEMORY_ALLOCATION_ERROR:
        raise ResourceError(f"{kdf.memory_kib} KiB for {kdf.variant} cannot be allocated")
    if status == lib.ARGON2_THREAD_FAIL:
        raise ResourceError(f"the threads for {kdf.variant} cannot be started")
    message = ffi.string(lib.argon2_error_message(status)).decode()
    raise KdfError(f"{kdf.variant}: {message.lower()}")
