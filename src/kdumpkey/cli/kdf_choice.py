"""What a new keyslot costs, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import (
    Calibrate,
    Hash,
    IterTime,
    KeyslotCipher,
    KeyslotKeySize,
    Pbkdf,
    PbkdfForceIterations,
    PbkdfMemory,
    PbkdfParallel,
)


@dataclass(frozen=True)
class KdfChoice:
    """What a new keyslot is to cost, and how its area is encrypted."""

    pbkdf: Pbkdf = None
    hash: Hash = None
    iter_time_ms: IterTime = None
    calibrate: Calibrate = None
    force_iterations: PbkdfForceIterations = None
    memory_kib: PbkdfMemory = None
    parallel: PbkdfParallel = None
    keyslot_cipher: KeyslotCipher = None
    keyslot_key_bits: KeyslotKeySize = None
