"""AES-CBC over runs of sectors by the engine, which makes the IVs as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from kdumpkey._native.aescbc import AesCbc
from kdumpkey.crypto.ivs import iv_key, numbering

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec


class CbcSectors:
    """AES-CBC over whole sectors; any number of threads may use one.

    Args:
        spec: With mode ``cbc``.
        key: Of one of the spec's sizes; copied.
        sector_size: Bytes.
        iv_step: What each next sector adds to the IV's number.
    """

    def __init__(self, spec: CipherSpec, key: ReadableBuffer, sector_size: int, iv_step: int) -> None:
        self._numbers = numbering(spec, sector_size)
        self._sector_size = sector_size
        self._step = self._numbers.step(iv_step)
        for_ivs = iv_key(spec, key)
        try:
            self._engine = AesCbc(key, for_ivs)
        finally:
            if for_ivs is not None:
                for_ivs.close()

    def crypt(self, src: ReadableBuffer, dst: WriteableBuffer, first: int, *, decrypt: bool) -> None:
        """Encrypt or decrypt the sectors of `src` into `dst`; `first` is the first one's number.

        Raises:
            ValueError: The lengths differ or are no whole sectors, `dst` is read-only, or it is closed.
        """
        numbers = self._numbers
        work = self._engine.decrypt if decrypt else self._engine.encrypt
        work(
            src,
            dst,
            self._sector_size,
            numbers.of(first),
            self._step,
            numbers.bits,
            numbers.big_endian,
        )

    def close(self) -> None:
        """Wipe the keys; calls that run in other threads end with what they have expanded."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
