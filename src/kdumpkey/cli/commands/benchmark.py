"""benchmark: key derivation and ciphers, in cryptsetup's lines."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

import typer

from kdumpkey._native.aesxts import usable_tiers
from kdumpkey.cli.action import action
from kdumpkey.cli.options import (
    EVERYWHERE,
    Cipher,
    Hash,
    IterTime,
    Json,
    KeySize,
    Pbkdf,
    PbkdfMemory,
    PbkdfParallel,
    Tiers,
)
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.crypto.benchmark import Pbkdf2Speed, argon2_speed, cipher_speed, pbkdf2_speed
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
    as_json: Json = False,
) -> None:
    """Measure what was asked for, or all of it."""
    report = _Report(run.begin(), as_json=as_json)
    kdf_bits = key_size or _KDF_BITS
    report.say("# Tests are approximate using memory only (no storage IO).")
    everything = cipher is None and hash_name is None and pbkdf is None
    if everything:
        for name in _HASHES:
            report.pbkdf2(name, kdf_bits)
        for variant in ("argon2i", "argon2id"):
            report.argon2(variant, iter_time_ms, memory_kib, parallel, kdf_bits)
    elif pbkdf in ("argon2i", "argon2id"):
        report.argon2(pbkdf, iter_time_ms, memory_kib, parallel, kdf_bits)
    elif (hash_name is not None or pbkdf is not None) and not report.pbkdf2(hash_name or "sha256", kdf_bits):
        report.end()
        raise Reported(UsageError(f"There is no hash {hash_name}."))
    if everything or cipher is not None:
        report.ciphers(cipher, key_size, every_tier=tiers)
    report.end()


class _Report:
    """What was measured: a line at a time as cryptsetup prints it, or one JSON object at the end."""

    def __init__(self, session: Session, *, as_json: bool) -> None:
        self._session = session
        self._as_json = as_json
        self._kdfs: list[dict[str, object]] = []
        self._ciphers: list[dict[str, object]] = []
        self._advantage = 0.0  # of kdumpkey's own key derivation over cryptsetup's, at the most

    def say(self, line: str) -> None:
        """Print a line, where lines are wanted."""
        if not self._as_json:
            self._session.say(line)

    def end(self) -> None:
        """Print the JSON, where that is wanted."""
        if self._advantage and not self._as_json:
            self._session.complain(
                "Key derivation was measured with the implementations that cryptsetup uses: OpenSSL's PBKDF2 "
                "and the reference Argon2.\nkdumpkey's own is up to "
                f"{self._advantage:.1f} times as fast here; count on an attacker to have that speed, too."
            )
        if self._as_json:
            self._session.say(json.dumps({"kdfs": self._kdfs, "ciphers": self._ciphers}, indent=2))

    def pbkdf2(self, hash_name: str, bits: int) -> bool:
        """Measure PBKDF2; False: there is no such hash."""
        speed: Pbkdf2Speed | None = None
        with suppress(CipherError):
            speed = pbkdf2_speed(hash_name, bits)
        self._kdfs.append(
            {
                "type": "pbkdf2",
                "hash": hash_name,
                "key_bits": bits,
                "iterations_per_second": speed and speed.per_second,
                "own_iterations_per_second": speed and speed.own_per_second,
            }
        )
        if speed is None:
            self.say(f"PBKDF2-{hash_name:9}     N/A")
        else:
            self.say(f"PBKDF2-{hash_name:9} {speed.per_second:7} iterations per second for {bits}-bit key")
            self._advantage = max(self._advantage, speed.own_per_second / max(speed.per_second, 1))
        return speed is not None

    def argon2(
        self, variant: str, time_ms: int | None, memory_kib: int | None, parallel: int | None, bits: int
    ) -> None:
        """Measure which costs of Argon2 take a time."""
        found = argon2_speed(variant, time_ms or _TIME_MS, memory_kib, parallel, bits)
        self._kdfs.append(
            {
                "type": variant,
                "key_bits": bits,
                "iterations": found.passes,
                "memory_kib": found.memory_kib,
                "threads": found.parallel,
                "time_ms": found.time_ms,
                "own_time_ms": found.own_ms,
            }
        )
        self._advantage = max(self._advantage, found.time_ms / max(found.own_ms, 1))
        self.say(
            f"{variant:10} {found.passes:4} iterations, {found.memory_kib:5} memory, {found.parallel} "
            f"parallel threads (CPUs) for {bits}-bit key (requested {found.time_ms} ms time)"
        )

    def ciphers(self, cipher: str | None, key_size: int | None, *, every_tier: bool) -> None:
        """Measure ciphers, and implementations of them."""
        rows: tuple[tuple[str, int], ...] = _CIPHERS
        if cipher is not None:
            name = "-".join(cipher.split("-")[:2])
            rows = ((name, key_size or _BITS.get(name, 256)),)
        tiers: tuple[str | None, ...] = (None,)
        if every_tier:
            tiers = usable_tiers()
            rows = tuple(row for row in rows if row[0].endswith("-xts"))
        elif named := self._session.streams.environment.get("KDUMPKEY_AESXTS"):
            rows = tuple(row for row in rows if row[0].endswith("-xts"))
            tiers = (named,)
        self.say(f"{_TABLE} | Tier" if every_tier else _TABLE)
        for name, bits in rows:
            for tier in tiers:
                self._cipher(name, bits, tier, shows_tier=every_tier)

    def _cipher(self, name: str, bits: int, tier: str | None, *, shows_tier: bool) -> None:
        try:
            found = cipher_speed(name, bits, tier)
        except CipherError as error:
            raise UsageError(f"Cipher {name} (with {bits} bits key) is not available.") from error
        self._ciphers.append(
            {
                "cipher": name,
                "key_bits": bits,
                "tier": tier,
                "encryption_mib_per_second": round(found.encryption, 1),
                "decryption_mib_per_second": round(found.decryption, 1),
            }
        )
        row = f"{name:>15}  {bits:>9}b  {found.encryption:>10.1f} MiB/s  {found.decryption:>10.1f} MiB/s"
        self.say(f"{row}  {tier}" if shows_tier else row)
