"""Sector ciphers, one sector at a time on pyca/cryptography: slow, and simple enough to be trusted."""

from __future__ import annotations

import hashlib
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Direction = Literal["encrypt", "decrypt"]


def _apply(direction: Direction, cipher: Cipher[modes.Mode], data: bytes) -> bytes:
    context = cipher.encryptor() if direction == "encrypt" else cipher.decryptor()
    return context.update(data) + context.finalize()


def iv_of(kind: str, key: bytes, number: int) -> bytes:
    """The 16-byte IV of sector `number`: ``plain``, ``plain64`` or ``essiv:HASH``."""
    if kind == "plain":
        return (number % 2**32).to_bytes(16, "little")
    plain64 = (number % 2**64).to_bytes(16, "little")
    if kind == "plain64":
        return plain64
    salt = hashlib.new(kind.removeprefix("essiv:"), key).digest()
    return _apply("encrypt", Cipher(algorithms.AES(salt), modes.ECB()), plain64)  # noqa: S305 (what ESSIV is)


def crypt(
    direction: Direction, text: str, key: bytes, data: bytes, *, sector_size: int, numbers: range
) -> bytes:
    """Encrypt or decrypt whole sectors with the IV numbers given, under a spec such as ``aes-cbc-plain``."""
    _, mode, iv_kind = text.split("-", 2)
    done = []
    for at, number in zip(range(0, len(data), sector_size), numbers, strict=True):
        iv = iv_of(iv_kind, key, number)
        chained = modes.XTS(iv) if mode == "xts" else modes.CBC(iv)
        done.append(_apply(direction, Cipher(algorithms.AES(key), chained), data[at : at + sector_size]))
    return b"".join(done)
