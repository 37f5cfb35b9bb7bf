"""What a kernel offers for carrying keys across a crash: one protocol for Linux and for the simulator.

Every call that the kernel refuses raises a `KernelError`, which has the errno; what Linux swallows in silence
raises nothing here either, unless the implementation says that it surfaces it. A field is None where the
kernel does not tell: Linux tells far less than the simulator does.

Source: kernel documentation, admin-guide/kdump ("Write the dump file to encrypted disk volume"), and what
Linux 7.2 was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Stage(Enum):
    """Which of the two kernels runs."""

    FIRST = "first-kernel"
    KDUMP = "kdump-kernel"


@dataclass(frozen=True)
class NamedKey:
    """A key that the first kernel was told to hand over.

    Attributes:
        item: The directory that stands for it in configfs.
        description: What it is looked up by, as the kernel kept it; None: not written yet.
    """

    item: str
    description: str | None


@dataclass(frozen=True)
class CrashImage:
    """The kdump kernel to load.

    Attributes:
        kernel: A bzImage, or what else the architecture boots.
        initrd: Its initramfs.
        command_line: For the kdump kernel; the kernel that loads it adds where the keys are.
    """

    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str = ""


@dataclass(frozen=True)
class HeldKey:
    """A key in the loaded crash image.

    Attributes:
        description: Its name.
        nbytes: How long it is; None: not known.
        copied_at: When it was read from the keyring, in seconds since the epoch; None: not known.
    """

    description: str
    nbytes: int | None = None
    copied_at: float | None = None


@dataclass(frozen=True)
class Loaded:
    """What loading a crash image did.

    Attributes:
        keys: The keys that the image holds; None: not known.
        reused: They were copied from the image before it, not from the keyring.
        address: Where they lie; None: not told.
        warnings: What went well only by half, in words.
    """

    keys: tuple[HeldKey, ...] | None
    reused: bool = False
    address: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Restored:
    """What the kdump kernel got back.

    Attributes:
        keys: The keys that came back, in the order of the hand-over; None: not known.
        key_type: Their type, by which to ask for them.
        keyring: Where they are: ``@u`` or ``@t``.
        warnings: What the kernel swallowed, where the implementation surfaces it.
    """

    keys: tuple[str, ...] | None
    key_type: str = "user"
    keyring: str = "@u"
    warnings: tuple[str, ...] = ()


class HandOver(Enum):
    """Whether a crash now would hand keys over, as a monitor asks for it."""

    LOADED = "an image with keys is loaded"
    NOT_LOADED = "no image with keys is loaded"
    UNKNOWN = "whether an image with keys is loaded cannot be told"


@dataclass(frozen=True)
class KernelStatus:
    """What can be seen of a kernel.

    Attributes:
        stage: Which kernel runs.
        interface: The path by which keys are named or restored; None: this kernel has none.
        named: The keys named, in their order.
        reuse: Whether the next load takes the keys of the image before it.
        loaded: Whether a crash image is loaded.
        keys: The keys that the image, or in the kdump stage the reserved memory, holds; None: not known.
        address: Where they lie; None: there are none, or it is not told.
        restored: Whether they were restored since the kdump kernel's start; None in the first kernel.
        reserved_bytes: The size of the crash kernel's reserved memory; None: not known.
        sure: Whether `loaded` and `keys` are certain: on Linux, by a record of this boot, this load and this
            reserved memory.
        warnings: What a person should know before relying on it.
    """

    stage: Stage
    interface: str | None
    named: tuple[NamedKey, ...] = ()
    reuse: bool = False
    loaded: bool = False
    keys: tuple[HeldKey, ...] | None = None
    address: int | None = None
    restored: bool | None = None
    reserved_bytes: int | None = None
    sure: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def hand_over(self) -> HandOver:
        """Whether a crash now would hand keys over."""
        if not self.sure or (self.loaded and self.keys is None):
            return HandOver.UNKNOWN
        return HandOver.LOADED if self.loaded and self.keys else HandOver.NOT_LOADED


class Kernel(Protocol):
    """A kernel that hands dm-crypt keys over: `restore` is the kdump kernel's call, the others the first's.

    A call that belongs to the other stage is refused with EPERM.
    """

    def status(self) -> KernelStatus:
        """What can be seen; never fails for what is merely absent."""

    def name(self, description: str, item: str | None = None) -> NamedKey:
        """Tell the kernel to hand over the logon key of this description with the next load.

        Args:
            description: The key's name, ``prefix:…``.
            item: The name of its directory; default: one derived from the description.

        Raises:
            KernelError: EINVAL: empty, too long, or too many; EEXIST: `item` is there already.
        """

    def forget(self, item: str) -> None:
        """Take a named key back; what is loaded stays as it is.

        Raises:
            KernelError: ENOENT: there is no such item.
        """

    def load(self, image: CrashImage) -> Loaded:
        """Load the kdump kernel, and the named keys with it; what was loaded before is lost either way.

        Raises:
            KernelError: ENOKEY, EKEYREVOKED, EACCES: a key cannot be had; EINVAL: an item without description
                or a key that is too long; EADDRNOTAVAIL: no room in the reserved memory; EPERM, ENOMEM …
        """

    def unload(self) -> None:
        """Give up the loaded image.

        Raises:
            KernelError: EPERM: not for this user.
        """

    def reuse(self, enabled: bool) -> None:
        """Have the next loads copy the keys of the image before, instead of asking the keyring.

        Raises:
            KernelError: EINVAL: nothing is loaded that holds keys.
        """

    def crash(self) -> None:
        """Crash the first kernel; on a real one this does not return.

        Raises:
            KernelError: EPERM: not for this user. EINVAL: no crash image is loaded, where that is checked.
        """

    def restore(self) -> Restored:
        """Put the keys into the keyring of the kdump kernel.

        Raises:
            KernelError: Only from an implementation that surfaces what Linux swallows; or EPERM, ENOENT: not
                the kdump kernel.
        """
