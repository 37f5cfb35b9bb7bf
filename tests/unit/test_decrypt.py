"""Decrypting into files and streams: whole, or not there at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesystems import refuse_unnamed_files
from forked import in_child
from kdumpkey.errors import DeviceError, OutputError, OutputExistsError, UsageError
from kdumpkey.storage import pipeline
from kdumpkey.storage.device import BytesReader, open_readonly
from kdumpkey.volume.decrypt import decrypt_to_file, decrypt_to_stream, part_of
from kdumpkey.volume.volume import CryptSegment, Volume
from noise import noise

MIB = 1 << 20
SIZE = 5 * MIB + 512  # more than a piece for each thread, and not whole pieces
PLAINTEXT = noise(SIZE)
KEY = bytes(range(64))


def linear(content: bytes = PLAINTEXT) -> Volume:
    """A volume whose plaintext is known; that it is decrypted rightly is tested elsewhere."""
    return Volume(BytesReader(content), (CryptSegment(0, len(content)),), KEY)


@pytest.fixture
def volume() -> Iterator[Volume]:
    with linear() as opened:
        yield opened


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, None, range(SIZE)), (7, None, range(7, SIZE)), (7, 9, range(7, 16)), (SIZE, 0, range(SIZE, SIZE))],
)
def test_a_part_is_named_by_start_and_length(
    volume: Volume, start: int, length: int | None, expected: range
) -> None:
    assert part_of(volume, start, length) == expected


@pytest.mark.parametrize(("start", "length"), [(SIZE + 1, None), (1, SIZE), (0, SIZE + 1)])
def test_a_part_that_is_not_there_is_refused(volume: Volume, start: int, length: int | None) -> None:
    with pytest.raises(UsageError):
        part_of(volume, start, length)


@pytest.mark.parametrize(
    "part", [range(SIZE), range(3, 17), range(0), range(MIB - 1, 3 * MIB + 5), range(SIZE - 1, SIZE)]
)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_file_has_the_part_and_is_private(
    volume: Volume, tmp_path: Path, part: range, sparse: bool
) -> None:
    told: list[int] = []
    decrypt_to_file(volume, tmp_path / "out", part, sparse=sparse, progress=told.append)
    assert (tmp_path / "out").read_bytes() == PLAINTEXT[part.start : part.stop]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    assert sum(told) == len(part)
    assert names(tmp_path) == ["out"]


def test_zeros_become_holes_where_asked_for(tmp_path: Path) -> None:
    content = bytes(2 * MIB) + b"x" * 4096 + bytes(MIB) + b"y" * 100 + bytes(412)
    with linear(content) as opened:
        decrypt_to_file(opened, tmp_path / "sparse", range(len(content)), sparse=True)
        decrypt_to_file(opened, tmp_path / "full", range(len(content)))
    for name in ("sparse", "full"):
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / "sparse").stat().st_blocks * 512 <= 64 * 1024
    assert (tmp_path / "full").stat().st_blocks * 512 >= len(content)


def test_a_file_that_is_there_stays_as_it_is(volume: Volume, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"before")
    with pytest.raises(OutputExistsError, match="exists already; --force replaces it"):
        decrypt_to_file(volume, target, range(SIZE))
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["out"]


def test_a_file_is_replaced_where_asked_for(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before")
    decrypt_to_file(volume, tmp_path / "out", range(100), replace=True)
    assert (tmp_path / "out").read_bytes() == PLAINTEXT[:100]
    assert names(tmp_path) == ["out"]


def test_a_file_that_appears_meanwhile_is_not_overwritten(volume: Volume, tmp_path: Path) -> None:
    target = tmp_path / "out"

    def appear(_count: int) -> None:
        target.write_bytes(b"somebody else's")

    with pytest.raises(OutputExistsError):
        decrypt_to_file(volume, target, range(100), progress=appear)
    assert target.read_bytes() == b"somebody else's"
    assert names(tmp_path) == ["out"]


class FailingReader(BytesReader):
    """A device that cannot be read beyond its first two MiB."""

    def pread_into(self, buffer: object, offset: int) -> None:
        """Read, or fail."""
        if offset >= 2 * MIB:
            raise DeviceError("Cannot read the device: Input/output error.")
        super().pread_into(buffer, offset)  # type: ignore[arg-type]


@pytest.mark.parametrize("replace", [False, True])
def test_a_device_that_fails_leaves_nothing_behind(tmp_path: Path, replace: bool) -> None:
    target = tmp_path / "out"
    if replace:
        target.write_bytes(b"before")
    with (
        Volume(FailingReader(PLAINTEXT), (CryptSegment(0, SIZE),), KEY) as opened,
        pytest.raises(DeviceError, match="Input/output error"),
    ):
        decrypt_to_file(opened, target, range(SIZE), replace=replace)
    assert names(tmp_path) == (["out"] if replace else [])
    assert not replace or target.read_bytes() == b"before"


def test_a_device_that_shrinks_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(PLAINTEXT)
    with open_readonly(path) as device, Volume(device, (CryptSegment(0, SIZE),), KEY) as opened:
        os.truncate(path, 3 * MIB)
        with pytest.raises(DeviceError):
            decrypt_to_file(opened, tmp_path / "out", range(SIZE))
    assert names(tmp_path) == ["device"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_filesystem_without_unnamed_files_gets_the_same(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    refuse_unnamed_files(monkeypatch)
    if replace:
        (tmp_path / "out").write_bytes(b"before")
    decrypt_to_file(volume, tmp_path / "out", range(SIZE), replace=replace)
    assert (tmp_path / "out").read_bytes() == PLAINTEXT
    assert names(tmp_path) == ["out"]


def test_there_too_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unnamed_files(monkeypatch)
    (tmp_path / "there").write_bytes(b"before")
    with linear() as opened, pytest.raises(OutputExistsError):
        decrypt_to_file(opened, tmp_path / "there", range(SIZE))
    with (
        Volume(FailingReader(PLAINTEXT), (CryptSegment(0, SIZE),), KEY) as opened,
        pytest.raises(DeviceError),
    ):
        decrypt_to_file(opened, tmp_path / "out", range(SIZE))
    assert names(tmp_path) == ["there"]


def test_a_folder_that_is_missing_or_a_name_that_cannot_be_is_said(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (
        tmp_path / "none" / "out",
        tmp_path / "file" / "out",
        tmp_path / ("x" * 300),
        tmp_path / "a\0b",
    ):
        with pytest.raises(OutputError, match="Cannot write"):
            decrypt_to_file(volume, target, range(10))
    with pytest.raises((OutputError, OutputExistsError)):
        decrypt_to_file(volume, tmp_path, range(10), replace=True)
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_said_before_anything_is_decrypted(tmp_path: Path) -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        told: list[int] = []
        with linear() as opened, pytest.raises(OutputError, match="File too large"):
            decrypt_to_file(opened, tmp_path / "out", range(SIZE), progress=told.append)
        assert told == []
        with linear() as opened, pytest.raises(OutputError, match="File too large"):
            decrypt_to_file(opened, tmp_path / "out", range(SIZE), sparse=True)

    in_child(body)
    assert names(tmp_path) == []


def test_a_full_device_is_an_error_of_the_output(volume: Volume) -> None:
    with open("/dev/full", "wb") as full, pytest.raises(OutputError, match="No space left on device"):
        decrypt_to_stream(volume, full.fileno(), range(SIZE))


@pytest.mark.parametrize("replace", [False, True])
def test_a_character_device_is_refused(volume: Volume, replace: bool) -> None:
    told: list[int] = []
    with pytest.raises(OutputError, match="/dev/null is a character device"):
        decrypt_to_file(volume, "/dev/null", range(SIZE), replace=replace, progress=told.append)
    assert told == []


@pytest.mark.parametrize("part", [range(SIZE), range(5, 2 * MIB), range(0)])
def test_a_stream_has_the_part_in_order(volume: Volume, part: range) -> None:
    reading, writing = os.pipe()
    received: list[bytes] = []

    def drain() -> None:
        with open(reading, "rb") as stream:
            received.append(stream.read())

    reader = threading.Thread(target=drain)
    reader.start()
    decrypt_to_stream(volume, writing, part)
    os.close(writing)
    reader.join()
    assert received == [PLAINTEXT[part.start : part.stop]]


def test_a_closed_pipe_is_an_error_of_the_output(volume: Volume) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(OutputError, match="Broken pipe"):
            decrypt_to_stream(volume, writing, range(SIZE))
    finally:
        os.close(writing)


STOPPED = """
import errno, os, signal, sys

if sys.argv[3] == "named":
    really = os.open
    def refuse(path, flags, mode=0o777, *, dir_fd=None):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return really(path, flags, mode, dir_fd=dir_fd)
    os.open = refuse

from kdumpkey.storage.device import BytesReader
from kdumpkey.volume.decrypt import decrypt_to_file
from kdumpkey.volume.volume import CryptSegment, Volume

size = 8 << 20
with Volume(BytesReader(bytes(size)), (CryptSegment(0, size),), bytes(64)) as volume:
    kill = lambda _: os.kill(os.getpid(), int(sys.argv[2]))
    decrypt_to_file(volume, sys.argv[1], range(size), progress=kill)
"""


@pytest.mark.parametrize(
    ("number", "how"),
    [
        *((number, "unnamed") for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)),
        *((number, "named") for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
    ],
)
def test_a_signal_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, how: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, tmp_path / "out", str(int(number)), how],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -number  # Python too ends by SIGINT's own action
    assert names(tmp_path) == []
    assert b"SignalledError" not in done.stderr or number == signal.SIGINT


def test_the_memory_used_does_not_grow_with_the_volume(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    really: Callable[[int], bytearray] = bytearray

    def counting(size: int) -> bytearray:
        made.append(size)
        return really(size)

    monkeypatch.setattr(pipeline, "bytearray", counting, raising=False)
    decrypt_to_file(volume, tmp_path / "out", range(SIZE))
    assert 0 < sum(made) <= 4 * MIB
