"""Reading an initramfs: every compression, several archives in a row, and files made to do harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.host import initramfs as module
from kdumpkey.host.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs
from noise import noise
from roots import cpio
from tools import require_tool, unmeasured

WORD = "crash_dm_crypt_keys"
EARLY = cpio({"kernel/x86/microcode/AuthenticAMD.bin": b"m"})
# The word lies across the border between two pieces that are read.
MAIN = cpio({"hook": bytes((1 << 18) - 150 - 5) + WORD.encode(), "usr/sbin/cryptsetup": b"e"}) + bytes(512)
LATE = gzip.compress(cpio({"late": b""}), mtime=0)
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
        gzip.compress(b"no archive", mtime=0),
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


# -- filesystem images in it, as dracut's squash modules make them

SQUASHFS = ("gzip", "xz", "lzo", "lz4", "zstd", "lzma")


def tree(folder: Path) -> Path:
    """What an image is made of: names that a shell would take apart, a link, words in several files."""
    for name, content in {
        "usr/bin/cryptsetup": b"e",
        "a name [with] *.wild -> cards": WORD.encode(),
        "-cat": b"x",
        "lists/devices": b"listed-word",
        "ignored/hook": b"ignored-word",
        "large": bytes((1 << 20) - 7) + b"other-word",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "bin").symlink_to("usr/bin")
    return folder


def squashed(folder: Path, compression: str, *options: str) -> bytes:
    tool = require_tool("mksquashfs")
    image = folder / "image.squashfs"
    words = [
        tool,
        folder / "tree",
        image,
        "-comp",
        compression,
        "-quiet",
        "-no-progress",
        "-noappend",
        *options,
    ]
    subprocess.run(words, check=True, capture_output=True)
    return image.read_bytes()


def erofs(folder: Path, *options: str) -> bytes:
    tool = require_tool("mkfs.erofs")
    image = folder / "image.erofs"
    subprocess.run([tool, *options, image, folder / "tree"], check=True, capture_output=True)
    return image.read_bytes()


def _read_all(path: Path, content: bytes) -> Initramfs:
    path.write_bytes(content)
    words = (WORD, "listed-word", "ignored-word", "other-word", "missing-word")
    return read_initramfs(
        path, words, lambda name: name.startswith("ignored/"), lambda name: name.startswith("lists/")
    )


@pytest.mark.parametrize("kind", [*SQUASHFS, "erofs", "erofs -zlz4hc"])
def test_what_a_filesystem_image_holds_counts_as_if_it_lay_beside_it(kind: str, tmp_path: Path) -> None:
    tree(tmp_path / "tree")
    program, *options = kind.split()
    image = erofs(tmp_path, *options) if program == "erofs" else squashed(tmp_path, kind)
    outer = cpio({"init": b"i", "squash-root.img": image, "after": b"a"})
    found = _read_all(tmp_path / "image", EARLY + gzip.compress(outer))
    assert found.names >= {
        "init",
        "after",
        "squash-root.img",
        "usr/bin/cryptsetup",
        "bin",
        "lists/devices",
        "a name [with] *.wild -> cards",
        "-cat",
    }
    assert found.words == {WORD, "listed-word", "other-word"}
    assert (found.listed, found.whole) == ({"listed-word"}, True)


@pytest.mark.parametrize(("kind", "program"), [("gzip", "unsquashfs"), ("erofs", "fsck.erofs")])
def test_without_the_image_s_program_its_name_is_said(
    kind: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "tree")
    image = erofs(tmp_path) if kind == "erofs" else squashed(tmp_path, kind)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreadableInitramfsError, match=f"{program} is needed, which is not here"):
        _read(tmp_path / "image", cpio({"x.img": image}))


@pytest.mark.parametrize("kind", ["gzip", "erofs"])
def test_a_damaged_image_is_said_to_be(kind: str, tmp_path: Path) -> None:
    tree(tmp_path / "tree")
    image = bytearray(erofs(tmp_path) if kind == "erofs" else squashed(tmp_path, kind))
    image[1100 if kind == "erofs" else 96 :] = noise(len(image) - (1100 if kind == "erofs" else 96))
    with pytest.raises(UnreadableInitramfsError):
        _read(tmp_path / "image", cpio({"x.img": bytes(image)}))


def test_an_image_that_bursts_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 64 << 20)
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree/bomb").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UnreadableInitramfsError, match="more than 64 MiB"):
        _read(tmp_path / "image", cpio({"x.img": squashed(tmp_path, "gzip", "-no-sparse")}))


# -- bounds: in bytes, whatever the names and compressions ask for


def test_names_are_bounded_by_their_bytes_and_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = cpio({f"{number:06}" + "n" * 4000: b"" for number in range(300)})
    assert len(_read(tmp_path / "image", long).names) == 300
    monkeypatch.setattr(module, "_MOST_NAME_BYTES", 1 << 20)
    with pytest.raises(UnreadableInitramfsError, match="names"):
        _read(tmp_path / "image", long)
    monkeypatch.setattr(module, "_MOST_NAMES", 3)
    assert len(_read(tmp_path / "image", MAIN).names) == 2
    with pytest.raises(UnreadableInitramfsError, match="more than 3 names"):
        _read(tmp_path / "image", cpio({f"{number}": b"" for number in range(4)}))


def test_reading_copies_each_byte_a_few_times_at_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    really = module._Plain.read

    def counting(self: object) -> bytes:
        data = really(self)  # type: ignore[arg-type]
        calls.append(len(data))
        return data

    monkeypatch.setattr(module._Plain, "read", counting)
    content = cpio({f"{number:08}": b"" for number in range(20_000)})
    assert len(_read(tmp_path / "image", content).names) == 20_000
    assert len(calls) <= len(content) // (1 << 18) + 8


@pytest.mark.parametrize("filters", [lzma.FORMAT_XZ, lzma.FORMAT_ALONE])
def test_an_xz_dictionary_that_is_too_large_is_said_with_its_size(filters: int, tmp_path: Path) -> None:
    identity = lzma.FILTER_LZMA2 if filters == lzma.FORMAT_XZ else lzma.FILTER_LZMA1
    packed = lzma.compress(
        MAIN, format=filters, filters=[{"id": identity, "dict_size": 400 << 20, "preset": 0}]
    )
    with pytest.raises(
        UnreadableInitramfsError, match="cannot be told: unpacking it needs 640 MiB of memory"
    ):
        _read(tmp_path / "image", packed)


def test_a_zstd_window_that_is_too_large_is_said_with_its_size(tmp_path: Path) -> None:
    require_tool("zstd")
    header = b"\x28\xb5\x2f\xfd" + b"\0" + bytes([17 << 3])  # a window of 128 MiB, RFC 8878, 3.1.1.1.2
    with pytest.raises(UnreadableInitramfsError, match="needs 128 MiB of memory, and 80 MiB is the limit"):
        _read(tmp_path / "image", header + bytes(100))


PEAK = """
import resource, sys
from pathlib import Path
from kdumpkey.host.initramfs import UnreadableInitramfsError, read_initramfs
try:
    read_initramfs(Path(sys.argv[1]), ("word",))
except UnreadableInitramfsError:
    pass
# ru_maxrss of this process would count what its parent was before it started this program.
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("kind", ["names", "xz -9", "zstd -19", "squashfs", "erofs"])
def test_no_initramfs_takes_more_than_160_mib(kind: str, tmp_path: Path) -> None:
    if kind in ("squashfs", "erofs"):
        (tmp_path / "tree").mkdir()
        with (tmp_path / "tree/large").open("wb") as file:
            file.truncate(300 << 20)
        image = erofs(tmp_path, "-zlz4hc") if kind == "erofs" else squashed(tmp_path, "xz", "-b", "1M")
        content = gzip.compress(cpio({"root.img": image}), 1)
    elif kind == "names":
        one = cpio({"n" * 4094: b""})[: -(110 + 11 + 3)]
        content = gzip.compress(one * 200_000, 1)
    else:
        body = cpio({"large": bytes(96 << 20)})  # it goes through the whole dictionary
        tool = require_tool(kind.split(maxsplit=1)[0])
        words = [tool, *kind.split()[1:], "-T1", "-qc"]
        content = subprocess.run(words, input=body, capture_output=True, check=True).stdout
    (tmp_path / "image").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path / "image"],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert int(done.stdout) <= 160 << 10  # KiB
