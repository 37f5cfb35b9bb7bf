"""Sector ciphers, one sector at a time on pyca/cryptography: slow, and simple enough to be trusted."""

from __future__ import annotations

import hashlib
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Direction = Literal["encrypt", "decrypt"]
WORD = 2**64


def _aes(direction: Direction, key: bytes, block: bytes) -> bytes:
    """Single blocks, which is all that every mode is made of."""
    return _apply(direction, Cipher(algorithms.AES(key), modes.ECB()), block)  # noqa: S305


def _apply(direction: Direction, cipher: Cipher[modes.Mode], data: bytes) -> bytes:
    context = cipher.encryptor() if direction == "encrypt" else cipher.decryptor()
    return context.update(data) + context.finalize()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _xts(direction: Direction, key: bytes, iv: bytes, data: bytes) -> bytes:
    data_key, tweak_key = key[: len(key) // 2], key[len(key) // 2 :]
    tweak, done = int.from_bytes(_aes("encrypt", tweak_key, iv), "little"), []
    for at in range(0, len(data), 16):
        mask = tweak.to_bytes(16, "little")
        done.append(_xor(mask, _aes(direction, data_key, _xor(mask, data[at : at + 16]))))
        tweak = tweak * 2 if tweak < 2**127 else (tweak * 2 - 2**128) ^ 0x87
    return b"".join(done)


def _by_block(direction: Direction, mode: str, key: bytes, iv: bytes, data: bytes) -> bytes:
    chain, counter, done = iv, int.from_bytes(iv), []
    for at in range(0, len(data), 16):
        block = data[at : at + 16]
        if mode == "ecb":
            done.append(_aes(direction, key, block))
        elif mode == "cbc" and direction == "encrypt":
            chain = _aes("encrypt", key, _xor(block, chain))
            done.append(chain)
        elif mode == "cbc":
            done.append(_xor(chain, _aes("decrypt", key, block)))
            chain = block
        elif mode == "ctr":
            done.append(_xor(block, _aes("encrypt", key, (counter % 2**128).to_bytes(16))))
            counter += 1
        elif mode == "cfb":
            out = _xor(block, _aes("encrypt", key, chain))
            chain = out if direction == "encrypt" else block
            done.append(out)
        else:
            assert mode == "ofb"
            chain = _aes("encrypt", key, chain)
            done.append(_xor(block, chain))
    return b"".join(done)


def iv_of(kind: str, key: bytes, number: int, *, mode: str = "cbc", sector_size: int = 512) -> bytes:
    """The 16-byte IV of sector `number` of a volume's data, as dm-crypt has it."""
    name, _, options = kind.partition(":")
    plain64 = (number % WORD).to_bytes(16, "little")
    match name:
        case "plain":
            return (number % 2**32).to_bytes(16, "little")
        case "plain64":
            return plain64
        case "plain64be":
            return (number % WORD).to_bytes(16)
        case "null":
            return bytes(16)
        case "benbi":  # counts the cipher's blocks, from 1 on
            blocks = 512 if mode in ("ctr", "cfb", "ofb") else 512 // 16
            return ((number * blocks + 1) % WORD).to_bytes(16)
        case "eboiv":  # the sector's offset in bytes, encrypted by the volume's own cipher
            offset = (number * sector_size % WORD).to_bytes(16, "little")
            return _xts("encrypt", key, offset, bytes(16)) if mode == "xts" else _aes("encrypt", key, offset)
        case "essiv":
            return _aes("encrypt", hashlib.new(options, key).digest(), plain64)
    raise AssertionError(kind)


def crypt(
    direction: Direction, text: str, key: bytes, data: bytes, *, sector_size: int, numbers: range
) -> bytes:
    """Encrypt or decrypt whole sectors with the IV numbers given, under a spec such as ``aes-cbc-plain``."""
    _, mode, *iv_kind = text.split("-", 2)
    done = []
    for at, number in zip(range(0, len(data), sector_size), numbers, strict=True):
        sector = data[at : at + sector_size]
        kind = iv_kind[0] if mode != "ecb" else "null"
        iv = iv_of(kind, key, number, mode=mode, sector_size=sector_size)
        if mode in ("xts", "cbc") and len(key) != 48:  # pyca's own, or half the tests would take minutes
            chained = modes.XTS(iv) if mode == "xts" else modes.CBC(iv)
            context = Cipher(algorithms.AES(key), chained)
            done.append(_apply(direction, context, sector))
        elif mode == "xts":
            done.append(_xts(direction, key, iv, sector))
        else:
            done.append(_by_block(direction, mode, key, iv, sector))
    return b"".join(done)
