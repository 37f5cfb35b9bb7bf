"""Decrypting a volume, or a part of it, into a file, a block device or a stream."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kdumpkey._native.fileio import allocate, data_runs
from kdumpkey.errors import DeviceError, OutputError, UsageError
from kdumpkey.storage.pipeline import in_order, spread
from kdumpkey.storage.publish import open_output
from kdumpkey.storage.transfer import write_in_full

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kdumpkey.storage.pipeline import Progress
    from kdumpkey.volume.volume import Volume

_WRITTEN: Final = (
    256 * 1024
)  # at a time: of more, a filesystem makes larger pages, for which memory is compacted
_HOLE: Final = 4096  # the granularity of holes: a filesystem block


def part_of(
    volume: Volume,
    start: int = 0,
    length: int | None = None,
    *,
    cut_short: bool = False,
    to_the_cut: bool = False,
) -> range:
    """The bytes of the plaintext from `start` on, `length` or as many as there are.

    Args:
        volume: The volume.
        start: The first byte.
        length: How many bytes; None: all that follow.
        cut_short: Whether the device's end is missing.
        to_the_cut: Where no length is given, be content with what is there.

    Raises:
        UsageError: The volume does not have them.
        DeviceError: It should, and the device was cut short before them.
    """
    end = volume.size if length is None else start + length
    if not 0 <= start <= end or (end > volume.size and not cut_short):
        raise UsageError(f"The volume has {volume.size} bytes: bytes {start} to {end} are not in it.")
    available = volume.available
    if cut_short and length is None and to_the_cut and start < available:
        return range(start, available)
    if end > available or (cut_short and length is None):
        raise DeviceError(
            f"The device was cut short: the first {available} bytes of the plaintext are there. "
            f"--from and --length take a part of them, --force all that there is."
        )
    return range(start, end)


def decrypt_to_file(  # noqa: PLR0913 - with the options of open_output, all by name
    volume: Volume,
    path: str | os.PathLike[str],
    part: range,
    *,
    sparse: bool = False,
    replace: bool = False,
    apart_from: Sequence[int] = (),
    progress: Progress | None = None,
) -> None:
    """Decrypt into a file that gets its name when it is complete, and not before.

    Args:
        volume: The volume.
        path: The file's name. With `replace`, a block device of that name is written in place, from its
            beginning.
        part: Which bytes of the plaintext, from `part_of`.
        sparse: Leave runs of zeros as holes.
        replace: Take the place of a file of that name, or overwrite the block device.
        apart_from: Open files and devices, the volume's own above all, that the output must not touch.
        progress: Told how much was done, possibly by other threads.

    Raises:
        OutputExistsError: There is such a file, and `replace` was not asked for.
        OutputError: The file cannot be written: nothing is left under its name that was not there before.
        DeviceError: The volume's device cannot be read; likewise.
    """
    with open_output(path, replace=replace, apart_from=apart_from) as output:
        fd = output.fd
        if output.block_device:
            _check_room(fd, path, len(part))
        else:
            if not sparse:
                allocate(fd, len(part))
            os.truncate(fd, len(part))

        writing = (
            threading.Lock()
        )  # the file's own, which writers wait for by spinning, costs half as much again

        def work(view: memoryview, at: int) -> None:
            volume.read_run_into(view, part.start + at)
            if not sparse or output.block_device:  # what a device holds where the zeros belong is not zeros
                with writing:
                    for start in range(0, len(view), _WRITTEN):
                        write_in_full(fd, view[start : start + _WRITTEN], at + start)
                return
            runs = data_runs(view, _HOLE)
            with writing:
                for first, last in runs:
                    write_in_full(fd, view[first:last], at + first)

        spread(len(part), work, progress)


def decrypt_to_stream(volume: Volume, fd: int, part: range, *, progress: Progress | None = None) -> None:
    """Decrypt to a file descriptor, in order; the next piece is decrypted while one is being written.

    Args:
        volume: The volume.
        fd: A pipe, a terminal or a file, written where it stands.
        part: Which bytes of the plaintext, from `part_of`.
        progress: Told how much was done.

    Raises:
        OutputError: It cannot be written; part of it may have been.
        DeviceError: The volume's device cannot be read.
    """
    with _saying("the output"):
        for view in in_order(len(part), lambda view, at: volume.read_run_into(view, part.start + at)):
            write_in_full(fd, view)
            if progress:
                progress(len(view))


def _check_room(fd: int, path: str | os.PathLike[str], length: int) -> None:
    room = os.lseek(fd, 0, os.SEEK_END)
    if room < length:
        raise OutputError(f"Cannot write {os.fspath(path)}: it has {room} bytes, the plaintext {length}.")


@contextmanager
def _saying(what: object) -> Iterator[None]:
    """Errors of the output as OutputError; those of the device have a type of their own already."""
    try:
        yield
    except (OutputError, DeviceError):
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {what}: {error.strerror or error}.") from error
