"""One large run of sectors spread over threads; the ciphers release the GIL while they work."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, Self

from kdumpkey.crypto.cipher import SECTOR, SectorCipher

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from _typeshed import ReadableBuffer, WriteableBuffer

MIN_CHUNK: Final = 1024 * 1024  # some 80 µs of AES-XTS: waking a thread for less costs more than it saves


class ParallelCipher:
    """A sector cipher that does with several threads what another does with one.

    The threads start with the first run that is large enough to be divided. Any number of threads may use it.

    Args:
        cipher: The cipher to use; `close` closes it.
        threads: How many at most, the caller's own included; default: the processors this process may use.
        min_chunk: Bytes below which a part is not divided further.
    """

    def __init__(
        self, cipher: SectorCipher, threads: int | None = None, *, min_chunk: int = MIN_CHUNK
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"there must be at least one thread, not {threads}")
        if min_chunk < 1:
            raise ValueError(f"the chunk size must be positive, not {min_chunk}")
        self._cipher = cipher
        self._threads = len(os.sched_getaffinity(0)) if threads is None else threads
        self._min_chunk = min_chunk
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._closed = False

    @property
    def sector_size(self) -> int:
        """Bytes of a sector."""
        return self._cipher.sector_size

    @property
    def threads(self) -> int:
        """How many threads work on a large run, the caller's own included."""
        return self._threads

    def encrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        """Encrypt the sectors of `src` into `dst`; see `SectorCipher`."""
        self._spread(src, dst, first_sector, decrypt=False)

    def decrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        """Decrypt the sectors of `src` into `dst`; see `SectorCipher`."""
        self._spread(src, dst, first_sector, decrypt=True)

    def close(self) -> None:
        """Wait for runs under way, end the threads and wipe the key."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and os.getpid() == self._process:
            pool.shutdown()
        self._cipher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _spread(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int, *, decrypt: bool) -> None:
        work = self._cipher.decrypt_into if decrypt else self._cipher.encrypt_into
        with memoryview(src).cast("B") as source, memoryview(dst).cast("B") as target:
            size = self._part_size(len(source))
            fits = len(source) == len(target) and len(source) % self._cipher.sector_size == 0
            pool = self._helpers() if fits and size < len(source) else None
            if pool is None:
                work(src, dst, first_sector)  # which also refuses what does not fit
                return
            parts = [
                (source[at : at + size], target[at : at + size], first_sector + at // SECTOR)
                for at in range(0, len(source), size)
            ]
            others: list[Future[None]] = []
            try:
                others.extend(pool.submit(work, *part) for part in parts[1:])
                work(*parts[0])
            finally:
                # No helper may touch the buffers after this returns, even if one has failed.
                errors = [other.exception() for other in others]
                for part_source, part_target, _ in parts:
                    part_source.release()
                    part_target.release()
            for error in errors:
                if error is not None:
                    raise error

    def _helpers(self) -> ThreadPoolExecutor | None:
        """The threads beside the caller's; None where there are none, and the caller's must do."""
        if self._threads == 1 or os.getpid() != self._process:  # a forked child has no threads but its own
            return None
        with self._lock:
            if self._pool is None and not self._closed:
                # It brings logging with it: a program that reads a header only need not wait for that.
                from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - it imports logging

                self._pool = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="kdumpkey-cipher")
            return self._pool

    def _part_size(self, length: int) -> int:
        """Bytes of each part but the last: whole sectors, no more parts than threads, none too small."""
        parts = max(1, min(self._threads, length // self._min_chunk))
        sector_size = self._cipher.sector_size
        sectors = -(-length // sector_size)
        return max(1, -(-sectors // parts)) * sector_size
