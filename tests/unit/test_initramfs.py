"""Reading an initramfs: every compression, several archives in a row, and files made to do harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.host import initramfs as module
from kdumpkey.host.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs
from roots import cpio
from tools import require_tool

WORD = "crash_dm_crypt_keys"
EARLY = cpio({"kernel/x86/microcode/AuthenticAMD.bin": b"m"})
# The word lies across the border between two pieces that are read.
MAIN = cpio({"hook": bytes((1 << 18) - 150 - 5) + WORD.encode(), "usr/sbin/cryptsetup": b"e"}) + bytes(512)
LATE = gzip.compress(cpio({"late": b""}))
IN_PYTHON: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}
BY_TOOLS = {
    "zstd": ("zstd", "-qc19"),
    "lz4, as the kernel has it": ("lz4", "-lqc"),
    "lz4": ("lz4", "-qc"),
    "lzop": ("lzop", "-qc"),
}


def _read(path: Path, content: bytes) -> Initramfs:
    path.write_bytes(content)
    return read_initramfs(path, (WORD,))


@pytest.mark.parametrize("kind", IN_PYTHON)
def test_an_archive_after_an_early_one_and_before_a_late_one_is_read(kind: str, tmp_path: Path) -> None:
    found = _read(tmp_path / "image", EARLY + bytes(300) + IN_PYTHON[kind](MAIN) + bytes(8) + LATE)
    assert {"kernel/x86/microcode/AuthenticAMD.bin", "hook", "usr/sbin/cryptsetup", "late"} == found.names
    assert (found.words, found.whole) == (frozenset({WORD}), True)


@pytest.mark.parametrize("kind", BY_TOOLS)
def test_the_systems_tools_undo_what_python_does_not(kind: str, tmp_path: Path) -> None:
    tool = require_tool(BY_TOOLS[kind][0])
    done = subprocess.run([tool, *BY_TOOLS[kind][1:]], input=MAIN, capture_output=True, check=True)
    found = _read(tmp_path / "image", EARLY + done.stdout)
    assert (len(found.names), found.words, found.whole) == (3, frozenset({WORD}), True)
    assert not _read(tmp_path / "image", EARLY + done.stdout + b"junk").whole
    with pytest.raises(UnreadableInitramfsError):
        _read(tmp_path / "image", EARLY + done.stdout[: len(done.stdout) // 2])


def test_without_the_tool_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreadableInitramfsError, match="zstd is needed"):
        _read(tmp_path / "image", b"\x28\xb5\x2f\xfd" + bytes(64))


def test_what_is_left_out_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(MAIN)
    assert read_initramfs(tmp_path / "image", (WORD,), lambda name: name == "hook").words == frozenset()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_bomb_takes_neither_memory_nor_time(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 64 << 20)
    archive = bytearray(cpio({"bomb": b""}))
    archive[54:62] = b"%08X" % (1 << 30)
    packed = IN_PYTHON[kind](bytes(archive[:116]) + bytes(80 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableInitramfsError, match="more than 64 MiB"):
        _read(tmp_path / "image", packed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10  # KiB


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIME_S", -1.0)
    with pytest.raises(UnreadableInitramfsError, match="took more than"):
        _read(tmp_path / "image", MAIN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4096,
        b"070701",
        b"070701" + b"-" * 104,
        cpio({"x": b"y"})[:-20],
        b"\x1f\x8b" + b"\xff" * 100,
        b"\xfd7zXZ\0" + b"\xff" * 100,
        zlib.compress(MAIN),
        gzip.compress(b"no archive"),
        cpio({"n" * 5000: b""}),
        b"070701" + b"F" * 104,
    ],
)
def test_what_is_damaged_is_said_to_be(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInitramfsError):
        _read(tmp_path / "image", content)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(UnreadableInitramfsError):
            read_initramfs(path)
