"""How fast ciphers run here, in memory alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kdumpkey.crypto.cipher import CipherSpec, sector_cipher

_BUFFER: Final = 1 << 20  # bytes of a run, as cryptsetup takes
_LEAST_S: Final = 0.1
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class CipherSpeed:
    """MiB in a second."""

    encryption: float
    decryption: float


def spec_of(cipher: str) -> CipherSpec:
    """The cipher that ``aes-xts`` or a whole specification names; an IV that is left out is plain64.

    Raises:
        CipherError: It is not implemented.
    """
    _, _, mode = cipher.partition("-")
    bare = mode not in ("", "plain") and "-" not in mode and not cipher.startswith("capi:")
    return CipherSpec.parse(f"{cipher}-plain64" if bare else cipher)


def cipher_speed(spec: CipherSpec, key_bytes: int, tier: str | None = None) -> CipherSpeed:
    """Measure a cipher in one thread, over sectors of 512 bytes.

    Args:
        spec: The cipher.
        key_bytes: Length of its key.
        tier: The AES-XTS implementation; default: the fastest.

    Raises:
        CipherError: It has no keys of that length.
        TierError: The tier cannot be used here.
    """
    key, buffer = os.urandom(key_bytes), bytearray(_BUFFER)
    with sector_cipher(spec, key, tier=tier) as cipher:
        return CipherSpeed(
            _speed(lambda: cipher.encrypt_into(buffer, buffer, 0)),
            _speed(lambda: cipher.decrypt_into(buffer, buffer, 0)),
        )


def _speed(run: Callable[[], None]) -> float:
    runs, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < _LEAST_S:
        run()
        runs += 1
    return runs * _BUFFER / _MIB / seconds
