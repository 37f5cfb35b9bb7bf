"""benchmark: key derivation and ciphers, in cryptsetup's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey._native.aesxts import usable_tiers
from kdumpkey.crypto.benchmark import argon2_speed, cipher_speed, pbkdf2_speed
from kdumpkey.errors import CipherError, UsageError

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session

_HASHES: Final = ("sha1", "sha256", "sha512", "ripemd160", "whirlpool")
_CIPHERS: Final = (("aes-cbc", 128), ("aes-cbc", 256), ("aes-xts", 256), ("aes-xts", 512))
_TIME_MS: Final = 2000
_KDF_BITS: Final = 256
_BITS: Final = {"aes-xts": 256, "aes-cbc": 256}
_TABLE: Final = "#     Algorithm |       Key |      Encryption |      Decryption"


def benchmark(session: Session) -> None:
    """Measure what was asked for, or all of it."""
    options = session.invocation
    cipher, hash_name, kdf = options.text("cipher"), options.text("hash"), options.text("pbkdf")
    session.say("# Tests are approximate using memory only (no storage IO).")
    everything = cipher is None and hash_name is None and kdf is None
    if everything:
        for name in _HASHES:
            _pbkdf2(session, name)
        for variant in ("argon2i", "argon2id"):
            _argon2(session, variant)
    elif kdf in ("argon2i", "argon2id"):
        _argon2(session, kdf)
    elif (hash_name is not None or kdf is not None) and not _pbkdf2(session, hash_name or "sha256"):
        raise UsageError("")
    if everything or cipher is not None:
        _ciphers(session, cipher)


def _pbkdf2(session: Session, hash_name: str) -> bool:
    bits = session.invocation.number("key-size") or _KDF_BITS
    try:
        speed = pbkdf2_speed(hash_name, bits)
    except CipherError:
        session.say(f"PBKDF2-{hash_name:9}     N/A")
        return False
    session.say(f"PBKDF2-{hash_name:9} {speed:7} iterations per second for {bits}-bit key")
    return True


def _argon2(session: Session, variant: str) -> None:
    options = session.invocation
    bits = options.number("key-size") or _KDF_BITS
    found = argon2_speed(
        variant,
        options.number("iter-time") or _TIME_MS,
        options.number("pbkdf-memory"),
        options.number("pbkdf-parallel"),
        bits,
    )
    session.say(
        f"{variant:10} {found.passes:4} iterations, {found.memory_kib:5} memory, {found.parallel} parallel "
        f"threads (CPUs) for {bits}-bit key (requested {found.time_ms} ms time)"
    )


def _ciphers(session: Session, cipher: str | None) -> None:
    options = session.invocation
    rows: tuple[tuple[str, int], ...] = _CIPHERS
    if cipher is not None:
        name = "-".join(cipher.split("-")[:2])
        rows = ((name, options.number("key-size") or _BITS.get(name, 256)),)
    tiers: tuple[str | None, ...] = (None,)
    if options.flag("tiers"):
        tiers = usable_tiers()
        rows = tuple(row for row in rows if row[0].endswith("-xts"))
    elif named := session.streams.environment.get("KDUMPKEY_AESXTS"):
        rows = tuple(row for row in rows if row[0].endswith("-xts"))
        tiers = (named,)
    session.say(f"{_TABLE} | Tier" if options.flag("tiers") else _TABLE)
    for name, bits in rows:
        for tier in tiers:
            try:
                found = cipher_speed(name, bits, tier)
            except CipherError as error:
                raise UsageError(f"Cipher {name} (with {bits} bits key) is not available.") from error
            row = f"{name:>15}  {bits:>9}b  {found.encryption:>10.1f} MiB/s  {found.decryption:>10.1f} MiB/s"
            session.say(f"{row}  {tier}" if options.flag("tiers") else row)
