"""The system call that loads a crash image: what the kernel would be given. The C library is a stand-in."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdumpkey.errors import KernelError
from kdumpkey.kernel.linux.kexec import load_crash_image, unload_crash_image
from kdumpkey.kernel.protocol import CrashImage
from roots import uki

UNLOAD, ON_CRASH, NO_INITRAMFS = 1, 2, 4  # include/uapi/linux/kexec.h
NO_FILE = -1


@dataclass
class Call:
    """What the kernel was given, files by their content."""

    number: int
    kernel: bytes | None
    initrd: bytes | None
    command_line: bytes | None
    flags: int


@dataclass
class Libc:
    """A C library of which `syscall` alone is called; it fails with `errno` unless that is 0."""

    errno: int = 0
    calls: list[Call] = field(default_factory=list)

    @property
    def syscall(self) -> Libc:
        return self

    def __call__(self, *given: ctypes._SimpleCData[int]) -> int:
        number, kernel, initrd, size, line, flags = (each.value for each in given)
        assert size == len(line) + 1 if line is not None else size == 0  # type: ignore[arg-type]
        self.calls.append(Call(number, _content(kernel), _content(initrd), line, flags))  # type: ignore[arg-type]
        ctypes.set_errno(self.errno)
        return -1 if self.errno else 0


def _content(fd: int) -> bytes | None:
    return None if fd == NO_FILE else os.pread(fd, 1 << 20, 0)


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Libc]:
    made = Libc()
    machine = os.uname_result(("Linux", "host", "6.17", "1", "x86_64"))
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: made)
    monkeypatch.setattr(os, "uname", lambda: machine)
    yield made
    ctypes.set_errno(0)


@pytest.fixture
def image(tmp_path: Path) -> CrashImage:
    (tmp_path / "vmlinuz").write_bytes(b"the kernel")
    (tmp_path / "initrd").write_bytes(b"the initramfs")
    return CrashImage(tmp_path / "vmlinuz", tmp_path / "initrd", "panic=10")


def _refused(image: CrashImage) -> KernelError:
    with pytest.raises(KernelError) as caught:
        load_crash_image(image)
    return caught.value


def test_the_kernel_gets_both_files_the_command_line_and_the_flag_for_a_crash(
    libc: Libc, image: CrashImage
) -> None:
    load_crash_image(image)
    assert libc.calls == [Call(320, b"the kernel", b"the initramfs", b"panic=10", ON_CRASH)]


def test_without_an_initramfs_the_kernel_is_told_that_there_is_none(libc: Libc, image: CrashImage) -> None:
    load_crash_image(CrashImage(image.kernel, None, ""))
    assert libc.calls == [Call(320, b"the kernel", None, b"", ON_CRASH | NO_INITRAMFS)]


def test_of_a_unified_image_the_kernel_in_it_is_loaded(libc: Libc, tmp_path: Path) -> None:
    path = tmp_path / "image.efi"
    path.write_bytes(uki(cmdline=b"quiet", linux=b"the kernel inside"))
    load_crash_image(CrashImage(path, None, "x"))
    assert [call.kernel for call in libc.calls] == [b"the kernel inside"]


def test_unloading_names_no_files(libc: Libc) -> None:
    unload_crash_image()
    assert libc.calls == [Call(320, None, None, None, UNLOAD | ON_CRASH)]


@pytest.mark.parametrize("missing", ["kernel", "initrd"])
def test_a_file_that_cannot_be_opened_is_found_before_anything_is_lost(
    libc: Libc, image: CrashImage, missing: str
) -> None:
    path: Path = getattr(image, missing)
    path.unlink()
    error = _refused(image)
    assert (error.errno, str(path) in str(error)) == (errno.ENOENT, True)
    assert libc.calls == []


def test_an_image_without_a_kernel_is_refused(libc: Libc, image: CrashImage) -> None:
    assert _refused(CrashImage(None, image.initrd, "x")).errno == errno.EINVAL
    assert libc.calls == []


def test_what_the_kernel_refuses_names_the_file_and_the_reason(libc: Libc, image: CrashImage) -> None:
    libc.errno = errno.EKEYREJECTED
    error = _refused(image)
    assert error.errno == errno.EKEYREJECTED
    assert str(image.kernel) in str(error)
    assert os.strerror(errno.EKEYREJECTED) in str(error)


def test_no_call_is_made_on_a_processor_whose_number_of_it_is_not_known(
    libc: Libc, image: CrashImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "6.17", "1", "riscv64")))
    error = _refused(image)
    assert (error.errno, "riscv64" in str(error)) == (errno.ENOSYS, True)
    assert libc.calls == []
