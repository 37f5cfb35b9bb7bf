"""Loading a crash image by the system call kexec_file_load: the only one that hands keys over.

kexec-tools falls back to the old kexec_load, which passes no keys, and hides the errno; so the call is made
here. KEXEC_FILE_DEBUG is never set: with it the kernel logs where the keys lie.

Source: kexec_file_load(2); the kernel's include/uapi/linux/kexec.h for the flags, its system call tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import kernel_error
from kdumpkey.host.uki import KERNEL, read_sections, section_in_memory

if TYPE_CHECKING:
    from pathlib import Path

    from kdumpkey.kernel.protocol import CrashImage

_NUMBERS: Final = {"x86_64": 320, "aarch64": 294, "ppc64le": 382}
_UNLOAD, _ON_CRASH, _NO_INITRAMFS = 1, 2, 4
_NO_FILE: Final = -1


def load_crash_image(image: CrashImage) -> None:
    """Load the kdump kernel; the previous image is lost, even if this fails.

    Raises:
        KernelError: The kernel's errno; or ENOENT, EACCES …: a file of the image cannot be opened, which is
            found before anything is lost.
    """
    if image.kernel is None:
        raise kernel_error(errno.EINVAL, "no kernel was named to be loaded")
    with ExitStack() as opened:
        kernel = opened.enter_context(_opened(image.kernel))
        initrd = _NO_FILE if image.initrd is None else opened.enter_context(_opened(image.initrd))
        flags = _ON_CRASH | (_NO_INITRAMFS if image.initrd is None else 0)
        command_line = os.fsencode(image.command_line) + b"\0"
        _call(kernel, initrd, command_line, flags, f"the kernel does not load {image.kernel}")


def unload_crash_image() -> None:
    """Unload the image.

    Raises:
        KernelError: The kernel's errno.
    """
    _call(_NO_FILE, _NO_FILE, b"", _UNLOAD | _ON_CRASH, "the kernel does not unload its crash image")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file for the kernel to read; of a unified kernel image, the kernel in it."""
    with ExitStack() as opened:
        try:
            section = read_sections(path).get(KERNEL)
            if section is not None:
                file = opened.enter_context(section_in_memory(path, section))
            else:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, file)
        except OSError as error:
            number = error.errno or errno.EIO
            raise kernel_error(number, f"cannot open {path}: {error.strerror}") from error
        yield file


def _call(kernel: int, initrd: int, command_line: bytes, flags: int, what: str) -> None:
    arch = os.uname().machine
    if arch not in _NUMBERS:
        raise kernel_error(errno.ENOSYS, f"kexec_file_load is not known on {arch}")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    done = libc.syscall(
        ctypes.c_long(_NUMBERS[arch]),
        ctypes.c_int(kernel),
        ctypes.c_int(initrd),
        ctypes.c_ulong(len(command_line)),
        ctypes.c_char_p(command_line or None),
        ctypes.c_ulong(flags),
    )
    if done != 0:
        number = ctypes.get_errno()
        raise kernel_error(number, f"{what}: {os.strerror(number)}")
