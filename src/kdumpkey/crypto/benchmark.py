"""How fast key derivation and sector ciphers are here, in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from kdumpkey.crypto import calibrate
from kdumpkey.crypto.cipher import CipherSpec, sector_cipher
from kdumpkey.crypto.kdf import Argon2
from kdumpkey.secret import SecretBuffer

_MIB: Final = 1 << 20
_BUFFER: Final = 8 * _MIB
_SECTOR: Final = 512
_SECONDS: Final = 0.25
_KEY_BITS: Final = 256
_ARGON2_MEMORY_KIB: Final = 1024 * 1024
_LANES: Final = 4


@dataclass(frozen=True)
class CipherSpeed:
    """MiB a second of a cipher with a key of `key_bits`, by one thread."""

    name: str
    key_bits: int
    encryption: float
    decryption: float


@dataclass(frozen=True)
class Argon2Speed:
    """What Argon2 of a time costs: passes, memory in KiB, lanes.

    Attributes:
        time_ms: The time that the implementation of cryptsetup was to take.
        own_ms: What kdumpkey's own takes for it.
    """

    variant: str
    passes: int
    memory_kib: int
    parallel: int
    time_ms: int
    own_ms: int


@dataclass(frozen=True)
class Pbkdf2Speed:
    """Iterations of PBKDF2 a second: by OpenSSL, as cryptsetup counts them, and by kdumpkey itself."""

    hash: str
    per_second: int
    own_per_second: int


def cipher_speed(name: str, key_bits: int, tier: str | None = None) -> CipherSpeed:
    """Measure a cipher over sectors of 512 bytes, as disks have them.

    Args:
        name: Cipher and mode, such as ``aes-xts`` or ``aes-cbc``.
        key_bits: The key's length.
        tier: The AES-XTS implementation to use: a demand.

    Raises:
        CipherError: It is not implemented, or does not take such a key.
        TierError: The tier cannot be used here.
    """
    spec = CipherSpec.parse(f"{name}-plain64")
    with SecretBuffer.random(key_bits // 8) as key, sector_cipher(spec, key, tier=tier) as cipher:
        buffer = bytearray(_BUFFER)
        speeds = []
        for operation in (cipher.encrypt_into, cipher.decrypt_into):
            operation(buffer, buffer, 0)
            done, began = 0, time.perf_counter()
            while (seconds := time.perf_counter() - began) < _SECONDS:
                operation(buffer, buffer, 0)
                done += 1
            speeds.append(done * _BUFFER / _MIB / seconds)
    return CipherSpeed(name, key_bits, *speeds)


def pbkdf2_speed(hash_name: str, key_bits: int = _KEY_BITS) -> Pbkdf2Speed:
    """Iterations of PBKDF2 a second, for a key of so many bits.

    Raises:
        CipherError: There is no such hash.
    """
    theirs, ours = (
        calibrate.pbkdf2_per_second(hash_name, key_bits // 8, fast=fast) for fast in (False, True)
    )
    return Pbkdf2Speed(hash_name, theirs, ours)


def argon2_speed(
    variant: str,
    time_ms: int,
    memory_kib: int | None,
    parallel: int | None,
    key_bits: int = _KEY_BITS,
) -> Argon2Speed:
    """The costs of Argon2 that take a time here.

    Raises:
        ResourceError: The memory cannot be had.
    """
    lanes = min(parallel or _LANES, _LANES)
    most = calibrate.memory_cap_kib(memory_kib or _ARGON2_MEMORY_KIB)
    passes, memory = calibrate.argon2_costs(variant, key_bits // 8, time_ms, most, lanes)
    function = Argon2(variant, passes, memory, lanes, bytes(32))
    own = calibrate.own_seconds(function, key_bits // 8)
    return Argon2Speed(variant, passes, memory, lanes, time_ms, round(1000 * own))
