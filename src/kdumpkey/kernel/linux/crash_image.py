"""Whether a kernel can be loaded: checked first, because a failed load destroys the previous image.

Linux loads a truncated bzImage without an error, and then crashes into it. The formats of other architectures
tell less, so those are left to the kernel.

Source: the kernel's documentation of the x86 boot protocol, "The Real-Mode Kernel Header".
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import kernel_error
from kdumpkey.host.uki import KERNEL, Section, read_sections

if TYPE_CHECKING:
    from pathlib import Path

    from kdumpkey.kernel.protocol import CrashImage

_HEADER_BYTES: Final = 0x23C
_BOOT_FLAG: Final = 0xAA55
_OLDEST: Final = 0x020C  # the first protocol that says what a 64-bit loader needs
_SECTOR: Final = 512
_PARAGRAPH: Final = 16
# What the load appends: " elfcorehdr=0x…" and " dmcryptkeys=0x…", each with 16 digits, and the final zero.
_APPENDED: Final = len(" elfcorehdr=0x") + len(" dmcryptkeys=0x") + 2 * 16 + 1


def check_image(image: CrashImage, architecture: str) -> None:
    """Refuse what the kernel would refuse too late, or load and not boot.

    Args:
        image: The kernel, the initramfs and the command line.
        architecture: As uname(2) names the machine.

    Raises:
        KernelError: The errno that opening the file gave; ENOEXEC: it is not a kernel, or not a whole one;
            EINVAL: no kernel is named, or the command line is too long for it.
    """
    if image.kernel is None:
        raise kernel_error(errno.EINVAL, "no kernel was named to be loaded")
    head, size = _start(image.kernel)
    if image.initrd is not None:
        _, length = _start(image.initrd)
        if not length:
            raise kernel_error(errno.EINVAL, f"{image.initrd} is empty")
    if architecture == "x86_64":
        _check_bzimage(image, head, size)


def _check_bzimage(image: CrashImage, head: bytes, size: int) -> None:
    if len(head) < _HEADER_BYTES or head[0x202:0x206] != b"HdrS":
        raise kernel_error(errno.ENOEXEC, f"{image.kernel} is not a bzImage")
    (flag,) = struct.unpack_from("<H", head, 0x1FE)
    (protocol,) = struct.unpack_from("<H", head, 0x206)
    if flag != _BOOT_FLAG or protocol < _OLDEST:
        raise kernel_error(errno.ENOEXEC, f"{image.kernel} is not a bzImage that kexec loads")
    (paragraphs,) = struct.unpack_from("<I", head, 0x1F4)
    whole = ((head[0x1F1] or 4) + 1) * _SECTOR + paragraphs * _PARAGRAPH
    if size < whole:
        raise kernel_error(errno.ENOEXEC, f"{image.kernel} is truncated: it has {size} of its {whole} bytes")
    (longest,) = struct.unpack_from("<I", head, 0x238)
    length = len(os.fsencode(image.command_line))
    if length + _APPENDED > longest:
        raise kernel_error(
            errno.EINVAL,
            f"the command line has {length} bytes; {longest - _APPENDED} fit, and the addresses",
        )


def _start(path: Path) -> tuple[bytes, int]:
    """The first bytes of a regular file, and its size."""
    try:
        # Opening a FIFO would block forever.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise kernel_error(error.errno or errno.EIO, f"cannot open {path}: {error.strerror}") from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise kernel_error(
                errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL, f"{path} is not a file"
            )
        # Of a unified kernel image, the kernel in it is loaded.
        section = read_sections(path).get(KERNEL, Section(0, found.st_size))
        return os.pread(file, _HEADER_BYTES, section.offset_bytes), section.size_bytes
    except OSError as error:
        raise kernel_error(error.errno or errno.EIO, f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(file)
