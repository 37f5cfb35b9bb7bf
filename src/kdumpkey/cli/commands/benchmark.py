"""benchmark: key derivation and ciphers, in cryptsetup's lines."""

from __future__ import annotations

from typing import Final

import typer

from kdumpkey._native.aesxts import usable_tiers
from kdumpkey.cli.action import action
from kdumpkey.cli.options import (
    EVERYWHERE,
    Cipher,
    Hash,
    IterTime,
    KeySize,
    Pbkdf,
    PbkdfMemory,
    PbkdfParallel,
    Tiers,
)
from kdumpkey.cli.session import Run, Session
from kdumpkey.crypto.benchmark import argon2_speed, cipher_speed, pbkdf2_speed
from kdumpkey.errors import CipherError, UsageError

app = typer.Typer()
_HASHES: Final = ("sha1", "sha256", "sha512", "ripemd160", "whirlpool")
_CIPHERS: Final = (("aes-cbc", 128), ("aes-cbc", 256), ("aes-xts", 256), ("aes-xts", 512))
_TIME_MS: Final = 2000
_KDF_BITS: Final = 256
_BITS: Final = {"aes-xts": 256, "aes-cbc": 256}
_TABLE: Final = "#     Algorithm |       Key |      Encryption |      Decryption"


@action(
    app,
    "benchmark",
    "[--cipher <cipher>]",
    ignores=EVERYWHERE,
    example="kdumpkey benchmark --cipher aes-xts --key-size 512",
)
def benchmark(
    run: Run,
    cipher: Cipher = None,
    hash_name: Hash = None,
    key_size: KeySize = None,
    pbkdf: Pbkdf = None,
    iter_time_ms: IterTime = None,
    memory_kib: PbkdfMemory = None,
    parallel: PbkdfParallel = None,
    tiers: Tiers = False,
) -> None:
    """Measure what was asked for, or all of it."""
    session = run.begin()
    kdf_bits = key_size or _KDF_BITS

    def argon2(variant: str) -> None:
        time_ms = iter_time_ms or _TIME_MS
        found = argon2_speed(variant, time_ms, memory_kib, parallel, kdf_bits)
        session.say(
            f"{variant:10} {found.passes:4} iterations, {found.memory_kib:5} memory, {found.parallel} "
            f"parallel threads (CPUs) for {kdf_bits}-bit key (requested {found.time_ms} ms time)"
        )

    session.say("# Tests are approximate using memory only (no storage IO).")
    everything = cipher is None and hash_name is None and pbkdf is None
    if everything:
        for name in _HASHES:
            _pbkdf2(session, name, kdf_bits)
        for variant in ("argon2i", "argon2id"):
            argon2(variant)
    elif pbkdf in ("argon2i", "argon2id"):
        argon2(pbkdf)
    elif (hash_name is not None or pbkdf is not None) and not _pbkdf2(
        session, hash_name or "sha256", kdf_bits
    ):
        raise UsageError("")
    if everything or cipher is not None:
        _ciphers(session, cipher, key_size, every_tier=tiers)


def _pbkdf2(session: Session, hash_name: str, bits: int) -> bool:
    try:
        speed = pbkdf2_speed(hash_name, bits)
    except CipherError:
        session.say(f"PBKDF2-{hash_name:9}     N/A")
        return False
    session.say(f"PBKDF2-{hash_name:9} {speed:7} iterations per second for {bits}-bit key")
    return True


def _ciphers(session: Session, cipher: str | None, key_size: int | None, *, every_tier: bool) -> None:
    rows: tuple[tuple[str, int], ...] = _CIPHERS
    if cipher is not None:
        name = "-".join(cipher.split("-")[:2])
        rows = ((name, key_size or _BITS.get(name, 256)),)
    tiers: tuple[str | None, ...] = (None,)
    if every_tier:
        tiers = usable_tiers()
        rows = tuple(row for row in rows if row[0].endswith("-xts"))
    elif named := session.streams.environment.get("KDUMPKEY_AESXTS"):
        rows = tuple(row for row in rows if row[0].endswith("-xts"))
        tiers = (named,)
    session.say(f"{_TABLE} | Tier" if every_tier else _TABLE)
    for name, bits in rows:
        for tier in tiers:
            try:
                found = cipher_speed(name, bits, tier)
            except CipherError as error:
                raise UsageError(f"Cipher {name} (with {bits} bits key) is not available.") from error
            row = f"{name:>15}  {bits:>9}b  {found.encryption:>10.1f} MiB/s  {found.decryption:>10.1f} MiB/s"
            session.say(f"{row}  {tier}" if every_tier else row)
