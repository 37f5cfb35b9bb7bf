"""Bytes without a pattern, the same ones in every run."""

from __future__ import annotations

from random import Random


def noise(nbytes: int, seed: int = 0) -> bytes:
    """As good as random for what a test stores, and never by chance the signature of something else."""
    return Random(seed).randbytes(nbytes)
