"""Passphrases from files and standard input."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.cli import keyfile
from kdumpkey.cli.keyfile import MAXIMUM, read_key, read_key_file
from kdumpkey.errors import UsageError
from kdumpkey.luks.volume_key_file import read_exactly
from kdumpkey.secret import SecretBuffer
from tools import require_tool


@pytest.fixture
def piped(tmp_path: Path) -> Callable[[bytes], int]:
    def make(content: bytes) -> int:
        if len(content) > 60_000:  # more than a pipe holds
            path = tmp_path / "long"
            path.write_bytes(content)
            return os.open(path, os.O_RDONLY)
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        return reading

    return make


@pytest.mark.parametrize(
    ("content", "offset", "nbytes", "line", "key"),
    [
        (b"pass\nmore", 0, None, True, b"pass"),
        (b"pass\nmore", 0, None, False, b"pass\nmore"),
        (b"xxpass\n", 2, None, True, b"pass"),
        (b"xxpassyy", 2, 4, False, b"pass"),
        (b"passxx", 0, 4, True, b"pass"),
        (b"\n", 0, None, True, b""),
        (b"\x00\xff\n\n", 0, None, False, b"\x00\xff\n\n"),
    ],
)
def test_a_key_is_read_as_far_as_asked(
    piped: Callable[[bytes], int], content: bytes, offset: int, nbytes: int | None, line: bool, key: bytes
) -> None:
    with read_key(piped(content), offset=offset, nbytes=nbytes, line=line) as found:
        assert bytes(memoryview(found)) == key


@pytest.mark.parametrize(
    ("content", "offset", "nbytes", "message"),
    [
        (b"", 0, None, "Nothing to read on input."),
        (b"ab", 2, None, "Nothing to read on input."),
        (b"ab", 3, None, "Cannot seek to requested keyfile offset."),
        (b"pass", 0, 9, "Cannot read requested amount of data."),
        (b"pass", 0, (1 << 32) - 1, "Cannot read requested amount of data."),
    ],
)
def test_what_is_not_there_is_said(
    piped: Callable[[bytes], int], content: bytes, offset: int, nbytes: int | None, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_key(piped(content), offset=offset, nbytes=nbytes)
    assert str(caught.value) == message


def test_a_line_leaves_what_follows_to_the_next_reader(piped: Callable[[bytes], int]) -> None:
    fd = piped(b"old\nnew\nrest")
    lines = [bytes(memoryview(read_key(fd, line=True))) for _ in range(2)]
    assert lines == [b"old", b"new"]
    assert os.read(fd, 99) == b"rest"


@pytest.mark.parametrize("nbytes", [70_000, MAXIMUM])
def test_long_keys_are_whole(piped: Callable[[bytes], int], nbytes: int) -> None:
    content = bytes(range(256)) * (nbytes // 256 + 1)
    with read_key(piped(content[:nbytes])) as key:
        assert bytes(memoryview(key)) == content[:nbytes]


def test_a_key_file_has_at_most_8_mib_unless_a_size_is_given(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with path.open("wb") as file:
        file.truncate(MAXIMUM + 1)
    with pytest.raises(UsageError, match="Maximum keyfile size exceeded"):
        read_key_file(str(path))
    with read_key_file(str(path), nbytes=MAXIMUM + 1) as key:
        assert len(key) == MAXIMUM + 1
    with read_key_file(str(path), offset=MAXIMUM) as key:
        assert len(key) == 1
    with pytest.raises(UsageError, match="Cannot seek"):
        read_key_file(str(path), offset=2**64 - 1)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Failed to open key file"):
        read_key_file(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="Error reading passphrase"):
        read_key_file(str(tmp_path))
    with pytest.raises(UsageError, match="Nothing to read on input"):
        read_key_file(os.devnull)


def test_an_empty_file_is_an_empty_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with read_key_file(str(path)) as key:
        assert len(key) == 0


class Counted:
    """How many bytes were read, and into how many buffers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nbytes, self.buffers = 0, 0
        readv = os.readv

        def counting(fd: int, buffers: list[memoryview]) -> int:
            got = readv(fd, buffers)
            self.nbytes += got
            return got

        def made(nbytes: int) -> SecretBuffer:
            self.buffers += 1
            return SecretBuffer(nbytes)

        made.copy_of = SecretBuffer.copy_of  # type: ignore[attr-defined]
        monkeypatch.setattr(os, "readv", counting)
        monkeypatch.setattr(keyfile, "SecretBuffer", made)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Path]:
    """A FIFO whose writer never stops of its own accord."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = subprocess.Popen(["/bin/sh", "-c", 'exec cat /dev/zero > "$0"', path], stderr=subprocess.DEVNULL)
    yield path
    writer.kill()
    writer.wait()


def test_a_file_without_an_end_is_read_to_one_byte_beyond_the_limit(
    endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/dev/zero", str(endless)):
        with monkeypatch.context() as patched:
            counted = Counted(patched)
            with pytest.raises(UsageError, match="Maximum keyfile size exceeded"):
                read_key_file(path)
        assert counted.nbytes == MAXIMUM + 1


def test_a_file_without_an_end_is_read_as_far_as_was_asked(
    endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/dev/zero", str(endless)):
        with monkeypatch.context() as patched:
            counted = Counted(patched)
            with read_key_file(path, nbytes=70_000) as key:
                assert len(key) == 70_000
        assert counted.nbytes == 70_000


def test_a_volume_key_is_read_to_its_length_and_no_farther(
    endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/dev/zero", str(endless)):
        with monkeypatch.context() as patched:
            counted = Counted(patched)
            with read_exactly(path, 64) as key:
                assert len(key) == 64
        assert counted.nbytes == 64


def test_a_file_is_read_into_one_buffer_of_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(3_000_000))
    counted = Counted(monkeypatch)
    with read_key_file(str(path), offset=1000) as key:
        assert len(key) == 2_999_000
    assert (counted.nbytes, counted.buffers) == (2_999_000, 1)


def test_a_file_beyond_the_limit_takes_no_more_memory_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    counted = Counted(monkeypatch)
    with pytest.raises(UsageError, match="Maximum keyfile size exceeded"):
        read_key_file(str(path))
    assert (counted.nbytes, counted.buffers) == (MAXIMUM + 1, 1)


def test_a_volume_key_longer_than_any_takes_no_memory_and_is_refused_as_by_cryptsetup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, key, short = (tmp_path / name for name in ("device", "key", "short"))
    key.write_text("pass")
    short.write_bytes(bytes(64))
    with device.open("wb") as file:
        file.truncate(20 << 20)
    cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    assert ours(["luksFormat", "-q", "--type", "luks2", *cheap, device, key]).code == 0
    assert ours(["erase", "-q", device]).code == 0  # what is left says no length
    sizes: list[int] = []
    monkeypatch.setattr(
        "kdumpkey.luks.volume_key_file.SecretBuffer",
        lambda nbytes: (sizes.append(nbytes), SecretBuffer(nbytes))[1],
    )
    line: list[str | Path] = ["open", "--test-passphrase", device, "--key-size", "80000000"]
    for path in (short, Path("/dev/zero")):
        words = [*line, "--volume-key-file", path]
        assert ours(words) == run([require_tool("cryptsetup"), *words])
    assert max(sizes) <= 1 << 16
