"""benchmark: what key derivation and ciphers do here, in cryptsetup's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey._native import aesxts
from kdumpkey.cli.unlocking import interruptible
from kdumpkey.crypto import calibrate
from kdumpkey.errors import CipherError, KdfError, ResourceError, UsageError
from kdumpkey.ops.benchmark import cipher_speed, spec_of

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session

_HASHES: Final = ("sha1", "sha256", "sha512", "ripemd160", "whirlpool")
_ARGON2: Final = ("argon2i", "argon2id")
_ROWS: Final = (("aes-cbc", 128), ("aes-cbc", 256), ("aes-xts", 256), ("aes-xts", 512))
_KEY_BITS: Final = 256
_TIME_MS: Final = 2000
_MEMORY_KIB: Final = 1048576
_THREADS: Final = 4
_WIDTH: Final = 15


def benchmark(session: Session) -> None:
    """Measure what the options name, or everything; --tiers: each implementation of AES-XTS."""
    options = session.invocation
    session.say("# Tests are approximate using memory only (no storage IO).")
    bits = options.number("key-size") or _KEY_BITS
    kind, hash_name, cipher = (options.text(name) for name in ("pbkdf", "hash", "cipher"))
    with interruptible():
        if kind in _ARGON2:
            _argon2(session, kind, bits)
        elif kind is not None or hash_name is not None:
            if not _pbkdf2(session, hash_name or "sha256", bits):
                raise UsageError("")
        elif cipher is not None:
            _one_cipher(session, cipher, bits)
        elif options.flag("tiers"):
            _header(session, _WIDTH)
            _tiers(session, "aes-xts", _WIDTH, 256, 512)
        else:
            _everything(session, bits)


def _everything(session: Session, bits: int) -> None:
    for name in _HASHES:
        _pbkdf2(session, name, bits)
    for variant in _ARGON2:
        _argon2(session, variant, bits)
    _header(session, _WIDTH)
    for cipher, size in _ROWS:
        _row(session, cipher, size, _WIDTH)


def _one_cipher(session: Session, cipher: str, bits: int) -> None:
    try:
        spec = spec_of(cipher)
        spec.check_key_size(bits // 8)
    except CipherError as error:
        raise CipherError(f"{error}\nCipher {cipher} (with {bits} bits key) is not available.") from error
    name = f"{spec.cipher}-{spec.mode}"
    width = max(len("# Algorithm"), len(name))
    _header(session, width)
    if session.invocation.flag("tiers") and spec.mode == "xts":
        _tiers(session, name, width, bits)
    else:
        _row(session, name, bits, width)


def _tiers(session: Session, name: str, width: int, *sizes: int) -> None:
    for bits in sizes:
        for tier in aesxts.tiers():
            if (status := aesxts.tier_status(tier)) == "usable":
                _row(session, name, bits, width, tier)
            else:
                session.say(f"{name:>{width}}  {bits:9}b  {'N/A':>16}  {'N/A':>16}  {tier} ({status})")


def _header(session: Session, width: int) -> None:
    session.say(f"#{'Algorithm':>{width - 1}} |       Key |      Encryption |      Decryption")


def _row(session: Session, name: str, bits: int, width: int, tier: str | None = None) -> None:
    speed = cipher_speed(spec_of(name), bits // 8, tier)
    line = f"{name:>{width}}  {bits:9}b  {speed.encryption:10.1f} MiB/s  {speed.decryption:10.1f} MiB/s"
    session.say(f"{line}  {tier}" if tier else line)


def _pbkdf2(session: Session, hash_name: str, bits: int) -> bool:
    try:
        rate = calibrate.pbkdf2_per_second(hash_name, bits // 8)
    except CipherError:
        session.say(f"PBKDF2-{hash_name:<9}     N/A")
        return False
    session.say(f"PBKDF2-{hash_name:<9} {rate:7} iterations per second for {bits}-bit key")
    return True


def _argon2(session: Session, variant: str, bits: int) -> None:
    options = session.invocation
    time_ms = options.number("iter-time") or _TIME_MS
    memory = calibrate.memory_cap_kib(options.number("pbkdf-memory") or _MEMORY_KIB)
    lanes = options.number("pbkdf-parallel") or _THREADS
    try:
        passes, memory = calibrate.argon2_costs(variant, bits // 8, time_ms, memory, lanes)
    except (KdfError, ResourceError) as error:
        session.say(f"{variant:<10} N/A")
        raise type(error)(str(error)) from error
    session.say(
        f"{variant:<10} {passes:4} iterations, {memory:5} memory, {lanes:1} parallel threads (CPUs) for "
        f"{bits}-bit key (requested {time_ms} ms time)"
    )
