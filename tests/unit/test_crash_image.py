"""What is refused before a load, because the load would destroy the image before it."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

import roots
from kdumpkey.errors import KernelError
from kdumpkey.host.uki import KERNEL, read_sections, section_in_memory
from kdumpkey.kernel.linux.crash_image import check_image
from kdumpkey.kernel.protocol import CrashImage

SETUP_SECTORS = 31
CODE = 64 * 1024


def bzimage(*, protocol: int = 0x020F, longest: int = 2047) -> bytearray:
    """The least of a bzImage: a header as the boot protocol has it, and as many bytes as that says."""
    content = bytearray((SETUP_SECTORS + 1) * 512 + CODE)
    content[0x1F1] = SETUP_SECTORS
    struct.pack_into("<I", content, 0x1F4, CODE // 16)
    struct.pack_into("<H", content, 0x1FE, 0xAA55)
    content[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", content, 0x206, protocol)
    struct.pack_into("<I", content, 0x238, longest)
    return content


@pytest.fixture
def image(tmp_path: Path) -> CrashImage:
    (tmp_path / "kernel").write_bytes(bzimage())
    (tmp_path / "initrd").write_bytes(b"x")
    return CrashImage(tmp_path / "kernel", tmp_path / "initrd", "console=ttyS0")


def refused(image: CrashImage) -> int:
    with pytest.raises(KernelError) as caught:
        check_image(image, "x86_64")
    return caught.value.errno


def test_a_whole_kernel_passes(image: CrashImage) -> None:
    check_image(image, "x86_64")
    check_image(replace(image, initrd=None), "x86_64")


def test_a_signature_behind_it_does_no_harm(image: CrashImage) -> None:
    assert image.kernel is not None
    with image.kernel.open("ab") as file:
        file.write(bytes(1000))
    check_image(image, "x86_64")


@pytest.mark.parametrize("size", [0, 1, 0x1F0, 0x23B, 0x23C, 4096, 16384 + CODE - 1])
def test_a_kernel_cut_short_is_refused(image: CrashImage, size: int) -> None:
    assert image.kernel is not None
    os.truncate(image.kernel, size)
    assert refused(image) == errno.ENOEXEC


@pytest.mark.parametrize(("offset", "value"), [(0x1FE, b"\0"), (0x202, b"h"), (0x206, b"\x0b")])
def test_what_is_no_such_kernel_is_refused(image: CrashImage, offset: int, value: bytes) -> None:
    assert image.kernel is not None
    content = bzimage()
    content[offset : offset + len(value)] = value
    image.kernel.write_bytes(content)
    assert refused(image) == errno.ENOEXEC


def test_a_command_line_with_no_room_for_the_addresses_is_refused(image: CrashImage) -> None:
    appended = len(" elfcorehdr=0x0123456789abcdef dmcryptkeys=0x0123456789abcdef\0")
    check_image(replace(image, command_line="x" * (2047 - appended)), "x86_64")
    assert refused(replace(image, command_line="x" * (2048 - appended))) == errno.EINVAL


def test_files_that_are_none_are_refused_at_once(image: CrashImage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refused(replace(image, kernel=None)) == errno.EINVAL
    assert refused(replace(image, kernel=tmp_path / "none")) == errno.ENOENT
    assert refused(replace(image, kernel=tmp_path)) == errno.EISDIR
    assert refused(replace(image, kernel=tmp_path / "fifo")) == errno.EINVAL
    assert refused(replace(image, initrd=tmp_path / "fifo")) == errno.EINVAL
    assert refused(replace(image, initrd=tmp_path / "none")) == errno.ENOENT
    (tmp_path / "initrd").write_bytes(b"")
    assert refused(image) == errno.EINVAL


def test_other_architectures_kernels_are_not_judged_by_this_format(image: CrashImage) -> None:
    assert image.kernel is not None
    image.kernel.write_bytes(b"MZ")
    check_image(image, "aarch64")


def test_of_a_unified_kernel_image_the_kernel_in_it_is_judged(image: CrashImage) -> None:
    assert image.kernel is not None
    image.kernel.write_bytes(roots.uki(osrel=b"ID=x\n", linux=bytes(bzimage()), initrd=b"0" * 100))
    check_image(image, "x86_64")
    image.kernel.write_bytes(roots.uki(linux=bytes(bzimage())[:-1], initrd=b"0" * 100))
    assert refused(image) == errno.ENOEXEC


def test_the_sections_of_a_unified_kernel_image_come_out_whole_and_of_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "image.efi"
    path.write_bytes(roots.uki(cmdline=b"quiet\0", linux=b"kernel" * 1000, initrd=b"i"))
    sections = read_sections(path)
    with section_in_memory(path, sections[KERNEL]) as file:
        assert os.pread(file, 1 << 20, 0) == b"kernel" * 1000
    whole = path.read_bytes()
    for other in (b"", b"MZ", whole[:80], bytes(bzimage()), roots.uki(text=b"a program")):
        path.write_bytes(other)
        assert read_sections(path) == {}
    path.write_bytes(whole[:600])  # cut off within the kernel, which then is none of it
    assert KERNEL not in read_sections(path)
