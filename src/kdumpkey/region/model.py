"""What a crash image consists of, where it may go, and how large its parts really are."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from kdumpkey._native.region import PAGE
from kdumpkey.errors import DeviceError, NotAKernelError

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

__all__ = [
    "KEYS",
    "PAGE",
    "USUAL_BASE",
    "ImageSizes",
    "Part",
    "Policy",
    "Segment",
    "segments_of",
    "sizes_of_files",
]

_MIB: Final = 1 << 20
KEYS: Final = "dm_crypt_keys"
USUAL_BASE: Final = 0x2000_0000  # where the simulator reserves memory, unless told otherwise

# The setup header of a bzImage: kernel documentation, arch/x86/boot.
_SETUP_MAGIC: Final = (0x202, b"HdrS")
_PROTOCOL_WITH_INIT_SIZE: Final = 0x20A
_VERSION_AT: Final = 0x206  # u16
_INIT_SIZE_AT: Final = 0x260  # u32
_SETUP_BYTES: Final = 0x268


class Policy(Enum):
    """How keys are handed over: as the series of 2023 did, as Linux does, or hardened."""

    V1 = "v1"
    UPSTREAM = "upstream"
    HARDENED = "hardened"


@dataclass(frozen=True)
class Part:
    """A part of a crash image in the reserved memory: `nbytes` are whole pages."""

    name: str
    start: int
    nbytes: int

    @property
    def end(self) -> int:
        """The address after it."""
        return self.start + self.nbytes


@dataclass(frozen=True)
class Segment:
    """Something to be placed: bytes, alignment in bytes, and from which end a place is looked for."""

    name: str
    nbytes: int
    alignment: int = PAGE
    top_down: bool = True


@dataclass(frozen=True)
class ImageSizes:
    """Bytes of what is loaded; the defaults are typical for a distribution's kernel.

    `kernel` is what the kernel needs in memory (init_size of its setup header), not its file's length.
    """

    elfcorehdr: int = 225 * PAGE
    purgatory: int = 20 << 10
    boot_params: int = 8 << 10
    kernel: int = 70 * _MIB
    initrd: int = 40 * _MIB


def segments_of(
    sizes: ImageSizes, keys_bytes: int, *, kernel_alignment: int = 2 * _MIB
) -> tuple[Segment, ...]:
    """The segments in the order in which kexec_file_load places them on x86-64.

    Args:
        sizes: Of the image's parts.
        keys_bytes: Of the keys' record; 0: no keys, and no segment for them.
        kernel_alignment: What the kernel's setup header demands.
    """
    segments = (
        Segment("elfcorehdr", sizes.elfcorehdr, top_down=False),
        Segment(KEYS, keys_bytes, top_down=False),
        Segment("purgatory", sizes.purgatory),
        Segment("boot_params", sizes.boot_params),
        Segment("kernel", sizes.kernel, kernel_alignment),
        Segment("initrd", sizes.initrd),
    )
    return tuple(segment for segment in segments if segment.nbytes)


def sizes_of_files(
    kernel: PathLike | None = None, initrd: PathLike | None = None, *, usual: ImageSizes | None = None
) -> ImageSizes:
    """Sizes from a real bzImage and a real initrd.

    Args:
        kernel: A bzImage; its setup header says how much memory it needs.
        initrd: An initramfs; it is loaded as it is, so its length counts.
        usual: The sizes of what is not given.

    Raises:
        DeviceError: A file cannot be read.
        NotAKernelError: The kernel is not a bzImage of boot protocol 2.10 or newer.
    """
    sizes = usual or ImageSizes()
    if kernel is not None:
        sizes = replace(sizes, kernel=_init_size(kernel))
    if initrd is not None:
        try:
            sizes = replace(sizes, initrd=os.stat(initrd).st_size)
        except (OSError, ValueError) as error:
            raise DeviceError(f"Cannot read {os.fspath(initrd)}: {_reason(error)}.") from error
    return sizes


def _init_size(path: PathLike) -> int:
    try:
        with open(path, "rb") as file:
            head = file.read(_SETUP_BYTES)
    except (OSError, ValueError) as error:
        raise DeviceError(f"Cannot read {os.fspath(path)}: {_reason(error)}.") from error
    at, magic = _SETUP_MAGIC
    if len(head) < _SETUP_BYTES or head[at : at + len(magic)] != magic:
        raise NotAKernelError(f"{os.fspath(path)} is not a bzImage.")
    (version,) = struct.unpack_from("<H", head, _VERSION_AT)
    if version < _PROTOCOL_WITH_INIT_SIZE:
        raise NotAKernelError(f"{os.fspath(path)} is too old to say how much memory it needs.")
    (init_size,) = struct.unpack_from("<I", head, _INIT_SIZE_AT)
    return int(init_size)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
