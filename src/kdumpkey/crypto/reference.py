"""Key derivation by the implementations that cryptsetup uses: what others wait for, and our own's oracle.

PBKDF2 is OpenSSL's, the system's own through hashlib. Argon2 is the reference implementation, through
argon2-cffi.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from kdumpkey.crypto import hashes
from kdumpkey.crypto.kdf import Argon2, Kdf, Pbkdf2, check_output
from kdumpkey.errors import KdfError, ResourceError
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def derive(kdf: Kdf, passphrase: ReadableBuffer, length: int) -> SecretBuffer:
    """Derive a key as `kdumpkey.crypto.kdf.derive` does; the result is the same.

    Raises:
        KdfError: A cost, the salt or the length is out of bounds, or argon2-cffi is not installed.
        CipherError: There is no such hash.
        ResourceError: Argon2's memory cannot be allocated, or its threads cannot be started.
    """
    check_output(kdf, length)
    if isinstance(kdf, Pbkdf2):
        name = hashes.find(kdf.hash).openssl_name
        # Two bytes at least: the interpreter shares one-byte objects, and those cannot be taken.
        return take(hashlib.pbkdf2_hmac(name, passphrase, kdf.salt, kdf.iterations, max(length, 2)), length)
    return _argon2(kdf, passphrase, length)


def _argon2(kdf: Argon2, passphrase: ReadableBuffer, length: int) -> SecretBuffer:
    try:
        from _argon2_cffi_bindings import ffi, lib  # noqa: PLC0415 - only what measures pays for this import
    except ImportError as error:  # an initramfs has our own implementation alone
        raise KdfError("The reference implementation of Argon2 (argon2-cffi) is not installed.") from error

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
