"""The one worker pipeline: a long run of bytes in pieces, worked on by as many threads as help."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

Progress = Callable[[int], None]  # is given the number of bytes that just came to the others
Work = Callable[[memoryview, int], None]

CHUNK: Final = 1024 * 1024
_MOST_THREADS: Final = 4  # more find the file's lock busy
_LEAST_THREADS: Final = 2  # one works while the other waits for a disk


def spread(length: int, work: Work, progress: Progress | None = None) -> None:
    """Work on the pieces of a run of bytes; each thread takes the next piece that nobody has.

    An error or an interrupt stops all threads at their next piece, and none is left running.

    Args:
        length: Of the run, in bytes.
        work: Given a buffer of a piece's size, which is the thread's own, and where in the run it begins.
        progress: Told how much was done, possibly by other threads, one at a time.

    Raises:
        BaseException: The first that `work` or `progress` raised.
    """
    pieces = iter(range(0, length, CHUNK))
    lock = threading.Lock()
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            buffer = bytearray(min(CHUNK, length))
            while not stop.is_set():
                with lock:
                    at = next(pieces, None)
                if at is None:
                    return
                with memoryview(buffer)[: min(CHUNK, length - at)] as view:
                    work(view, at)
                    size = len(view)
                if progress:
                    with lock:
                        progress(size)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
            stop.set()

    processors = max(len(os.sched_getaffinity(0)), _LEAST_THREADS)
    count = min(processors, _MOST_THREADS, -(-length // CHUNK))
    helpers = [threading.Thread(target=run) for _ in range(count - 1)]
    try:
        for helper in helpers:
            helper.start()
        run()
    except BaseException:  # an interrupt may come outside of what `run` catches
        stop.set()
        raise
    finally:
        _join([helper for helper in helpers if helper.ident is not None], stop)
    if failures:
        raise failures[0]


def in_order(length: int, fill: Work) -> Iterator[memoryview]:
    """The pieces of a run of bytes, one after the other; the next is filled while one is used.

    Args:
        length: Of the run, in bytes.
        fill: Fills a buffer with the piece that begins at a place; called by another thread.

    Yields:
        A view of each piece, good until the next is asked for.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - it brings logging with it

    starts = range(0, length, CHUNK)
    buffers = [bytearray(min(CHUNK, length)) for _ in range(2)]

    def produce(index: int) -> memoryview:
        view = memoryview(buffers[index % 2])[: min(CHUNK, length - starts[index])]
        fill(view, starts[index])
        return view

    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(produce, 0) if starts else None
        for index in range(len(starts)):
            assert following is not None  # noqa: S101 - there is one as long as there are starts
            view = following.result()
            following = ahead.submit(produce, index + 1) if index + 1 < len(starts) else None
            with view:
                yield view


def _join(threads: list[threading.Thread], stop: threading.Event) -> None:
    """Wait for every thread, however often that is interrupted: the caller closes the files they use."""
    interrupt: BaseException | None = None
    while True:
        try:
            for thread in threads:
                thread.join()
            break
        except BaseException as error:  # noqa: BLE001 - raised again when no thread is left
            interrupt = error
            stop.set()
    if interrupt is not None:
        raise interrupt
