"""Decrypting a volume, or a part of it, into a file or a stream."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError, OutputError, OutputExistsError, UsageError

if TYPE_CHECKING:
    from kdumpkey.volume.volume import Volume

Progress = Callable[[int], None]  # is given the number of bytes that just came to the others

_CHUNK: Final = 1024 * 1024
_HOLE: Final = 4096  # the granularity of holes: a filesystem block
_ZEROS: Final = bytes(_HOLE)
_MOST_THREADS: Final = 4  # more find the file's lock busy
_PRIVATE: Final = 0o600  # what was encrypted is not for everybody to read


def part_of(volume: Volume, start: int = 0, length: int | None = None) -> range:
    """The bytes of the plaintext from `start` on, `length` or as many as there are.

    Raises:
        UsageError: The volume does not have them.
    """
    end = volume.size if length is None else start + length
    if not 0 <= start <= end <= volume.size:
        raise UsageError(f"The volume has {volume.size} bytes: bytes {start} to {end} are not in it.")
    return range(start, end)


def decrypt_to_file(
    volume: Volume,
    path: str | os.PathLike[str],
    part: range,
    *,
    sparse: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> None:
    """Decrypt into a file that gets its name when it is complete, and not before.

    Args:
        volume: The volume.
        path: The file's name. A block device of that name is written in place, from its beginning.
        part: Which bytes of the plaintext, from `part_of`.
        sparse: Leave runs of zeros as holes.
        replace: Take the place of a file of that name.
        progress: Told how much was done, possibly by other threads.

    Raises:
        OutputExistsError: There is such a file, and `replace` was not asked for.
        OutputError: The file cannot be written: nothing is left under its name that was not there before.
        DeviceError: The volume's device cannot be read; likewise.
    """
    target = Path(path)
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write {target}: {_reason(error)}.") from error
    if mode and not replace and not stat.S_ISCHR(mode) and not stat.S_ISFIFO(mode):
        raise OutputExistsError(f"File {target} exists already; --force replaces it.")
    if mode and not stat.S_ISREG(mode):
        _decrypt_in_place(volume, target, mode, part, progress)
        return
    with _saying(target), _new_file(target, replace=replace) as fd:
        if not sparse:
            _allocate(fd, len(part))
        os.truncate(fd, len(part))
        _copy(volume, fd, part, sparse, progress)


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
        _stream(volume, fd, part, progress)


def _stream(volume: Volume, fd: int, part: range, progress: Progress | None) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - it brings logging with it

    starts = range(part.start, part.stop, _CHUNK)
    buffers = [bytearray(min(_CHUNK, len(part))) for _ in range(2)]

    def read(index: int) -> memoryview:
        start = starts[index]
        view = memoryview(buffers[index % 2])[: min(_CHUNK, part.stop - start)]
        volume.read_into(view, start)
        return view

    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(read, 0) if starts else None
        for index in range(len(starts)):
            assert following is not None  # noqa: S101 - there is one as long as there are starts
            view = following.result()
            following = ahead.submit(read, index + 1) if index + 1 < len(starts) else None
            _write(fd, view, None)
            if progress:
                progress(len(view))


def _decrypt_in_place(
    volume: Volume, target: Path, mode: int, part: range, progress: Progress | None
) -> None:
    flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY
    if stat.S_ISBLK(mode):
        flags |= os.O_EXCL  # refuses one that is mounted or mapped
    with _saying(target):
        fd = os.open(target, flags)
        try:
            _stream(volume, fd, part, progress)
            if stat.S_ISBLK(mode):
                os.fsync(fd)
        finally:
            os.close(fd)


def _copy(volume: Volume, fd: int, part: range, sparse: bool, progress: Progress | None) -> None:
    """Decrypt into the file, by as many threads as help; each takes the next piece that nobody has."""
    pieces = iter(range(part.start, part.stop, _CHUNK))
    lock = threading.Lock()
    failures: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        try:
            buffer = bytearray(min(_CHUNK, len(part)))
            while not stop.is_set():
                with lock:
                    start = next(pieces, None)
                if start is None:
                    return
                length = min(_CHUNK, part.stop - start)
                with memoryview(buffer)[:length] as view:
                    volume.read_into(view, start)
                    for first, last in _runs(buffer, length) if sparse else [(0, length)]:
                        _write(fd, view[first:last], start - part.start + first)
                if progress:
                    with lock:
                        progress(length)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
            stop.set()

    count = min(len(os.sched_getaffinity(0)), _MOST_THREADS, -(-len(part) // _CHUNK))
    helpers = [threading.Thread(target=work) for _ in range(count - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
        for helper in helpers:
            helper.join()
    finally:  # an interrupt may come while this thread only waits
        stop.set()
        for helper in helpers:
            helper.join()
    if failures:
        raise failures[0]


def _runs(buffer: bytearray, length: int) -> list[tuple[int, int]]:
    """Where there is something else than blocks of zeros."""
    runs: list[tuple[int, int]] = []
    for start in range(0, length, _HOLE):
        end = min(start + _HOLE, length)
        if end - start == _HOLE and buffer.startswith(_ZEROS, start):
            continue
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _write(fd: int, view: memoryview, offset: int | None) -> None:
    done = 0
    while done < len(view):
        with view[done:] as rest:
            done += os.write(fd, rest) if offset is None else os.pwrite(fd, rest, offset + done)


@contextmanager
def _new_file(target: Path, *, replace: bool) -> Iterator[int]:
    """A file without a name, which gets it when all went well, and is gone without a trace otherwise."""
    try:
        fd, name = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _PRIVATE), None
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
        name = _hidden_name(target)  # a filesystem that makes no files without a name
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        yield fd
        _give_name(fd, name, target, replace)
        name = None
    finally:
        os.close(fd)
        if name is not None:
            name.unlink(missing_ok=True)


def _give_name(fd: int, name: Path | None, target: Path, replace: bool) -> None:
    try:
        if name is not None and replace:
            name.replace(target)
        elif name is not None:
            os.link(name, target)
            name.unlink()
        elif not replace:
            _link_open_file(fd, target)
        else:
            hidden = _hidden_name(target)
            _link_open_file(fd, hidden)
            hidden.replace(target)
    except FileExistsError as error:
        raise OutputExistsError(f"File {target} exists already; --force replaces it.") from error


def _link_open_file(fd: int, name: Path) -> None:
    # Only with a folder given does Python call linkat, which alone follows the link in /proc.
    os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=fd, follow_symlinks=True)


def _hidden_name(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.{os.urandom(6).hex()}.part")


def _allocate(fd: int, length: int) -> None:
    """Have the file's blocks allocated: a disk that is too full says so now, and writing is faster.

    Not by os.posix_fallocate, which fills the file by hand where a filesystem allocates nothing beforehand.
    """
    import ctypes  # noqa: PLC0415 - nothing else here needs it

    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    while length and fallocate(fd, 0, 0, length):
        number = ctypes.get_errno()
        if number == errno.EOPNOTSUPP:
            return
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@contextmanager
def _saying(what: object) -> Iterator[None]:
    """Errors of the output as OutputError; those of the device have a type of their own already."""
    try:
        yield
    except (OutputError, DeviceError):
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {what}: {_reason(error)}.") from error


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
