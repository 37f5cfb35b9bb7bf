"""What a kernel offers for carrying keys across a crash: one protocol for Linux and for the simulator.

Every call that the kernel refuses raises a `KernelError` with its errno; where Linux fails silently, nothing
is raised here either, unless the implementation says that it reports the failure. A field is None where the
kernel does not tell: Linux tells far less than the simulator does.

Source: kernel documentation, admin-guide/kdump ("Write the dump file to encrypted disk volume"), and what
Linux 7.2 was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kdumpkey.kernel.record import KeyOrigin, LoadRecord
    from kdumpkey.secret import SecretBuffer


class Stage(Enum):
    """Which of the two kernels runs."""

    FIRST = "first-kernel"
    KDUMP = "kdump-kernel"


@dataclass(frozen=True)
class NamedKey:
    """A key that the first kernel was told to hand over.

    Attributes:
        item: The directory that stands for it in configfs.
        description: The key's description, as the kernel kept it; None: not written yet.
    """

    item: str
    description: str | None


@dataclass(frozen=True)
class CrashImage:
    """The kdump kernel to load.

    Attributes:
        kernel: A bzImage, or whatever the architecture boots.
        initrd: Its initramfs.
        command_line: For the kdump kernel; the kernel that loads it adds the address of the keys.
    """

    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str = ""


@dataclass(frozen=True)
class WantedImage:
    """An image to load, as far as the user has named it; `Kernel.complete` finds the rest."""

    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str | None = None


@dataclass(frozen=True)
class HeldKey:
    """A key in the loaded crash image.

    Attributes:
        description: Its name.
        nbytes: Its length; None: not known.
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
        reused: They were copied from the previous image, not from the keyring.
        address: Their address in the reserved memory; None: the kernel does not tell.
        warnings: What only partly succeeded, in words.
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
        warnings: What Linux fails to report, where the implementation reports it.
    """

    keys: tuple[str, ...] | None
    key_type: str = "user"
    keyring: str = "@u"
    warnings: tuple[str, ...] = ()


class HandOver(Enum):
    """Whether a crash now would hand keys over, for a monitor."""

    LOADED = "an image with keys is loaded"
    NOT_LOADED = "no image with keys is loaded"
    UNKNOWN = "whether an image with keys is loaded cannot be told"


@dataclass(frozen=True)
class MachineFacts:
    """What is known of the machine that a kernel runs on.

    Attributes:
        id: What programs call it: ``linux``, or a simulated machine's directory.
        label: What people call it.
        traits: What else to tell people of it.
        details: The same and more for programs, by name.
        notice: What everybody who looks at it should know.
    """

    id: str = "linux"
    label: str = "this one"
    traits: tuple[str, ...] = ()
    details: tuple[tuple[str, object], ...] = ()
    notice: str = ""


@dataclass(frozen=True)
class KernelStatus:
    """What can be seen of a kernel.

    Attributes:
        stage: Which kernel runs.
        interface: The path by which keys are named or restored; None: this kernel has none.
        named: The keys named, in their order.
        count: How many keys are named, as the kernel itself counts them; None: it does not tell.
        reuse: Whether the next load takes the keys of the previous image.
        loaded: Whether a crash image is loaded.
        loaded_at: When it was loaded, in seconds since the epoch; None: not known, or nothing is loaded.
        keys: The keys that the image, or in the kdump stage the reserved memory, holds; None: not known.
        address: Their address; None: there are no keys, or the kernel does not tell.
        restored: Whether they were restored since the kdump kernel's start; None in the first kernel.
        reserved_bytes: The size of the crash kernel's reserved memory; None: not known.
        reserved_at: Its address; None: not known.
        ram_bytes: All of the machine's memory; None: not known.
        command_line: What the kdump kernel was booted with; None: not known, or the first kernel runs.
        sure: Whether `loaded` and `keys` are certain: on Linux, by a record of this boot, this load and this
            reserved memory.
        warnings: What you should know before you rely on it.
        machine: The machine that it runs on.
    """

    stage: Stage
    interface: str | None
    named: tuple[NamedKey, ...] = ()
    count: int | None = None
    reuse: bool = False
    loaded: bool = False
    loaded_at: float | None = None
    keys: tuple[HeldKey, ...] | None = None
    address: int | None = None
    restored: bool | None = None
    reserved_bytes: int | None = None
    reserved_at: int | None = None
    ram_bytes: int | None = None
    command_line: str | None = None
    sure: bool = True
    warnings: tuple[str, ...] = ()
    machine: MachineFacts = MachineFacts()

    @property
    def hand_over(self) -> HandOver:
        """Whether a crash now would hand keys over."""
        if not self.sure or (self.loaded and self.keys is None):
            return HandOver.UNKNOWN
        return HandOver.LOADED if self.loaded and self.keys else HandOver.NOT_LOADED


@dataclass(frozen=True)
class KeyPages:
    """A run of pages with keys in the reserved memory.

    Attributes:
        address: Where it begins, a page's.
        nbytes: Its length, whole pages.
        descriptions: The names of the keys, as far as they can be read.
        stale: Whether it belongs to no loaded image: a copy that was left behind.
    """

    address: int
    nbytes: int
    descriptions: tuple[str, ...]
    stale: bool


@dataclass(frozen=True)
class AuditEntry:
    """One thing that an audit saw; `problem` where it should not be there, and then `fix` says what to do."""

    what: str
    problem: bool = False
    fix: str = ""


@dataclass(frozen=True)
class Audit:
    """Where keys were seen.

    Attributes:
        entries: Each thing that was seen.
        pages: Where keys lie in the reserved memory; None: the kernel shows that to nobody.
        summary: What it comes to.
    """

    entries: tuple[AuditEntry, ...]
    pages: tuple[KeyPages, ...] | None
    summary: str


class Keys(Protocol):
    """The keyrings that a load takes its keys from; a timeout of 0 means never."""

    @property
    def usual_timeout_s(self) -> int:
        """When a key that is put there for one load usually expires."""

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> tuple[str, ...]:
        """Put a logon key into the user keyring, in place of any key of that name.

        Returns:
            Warnings: who can read the key now.

        Raises:
            KeyringError: The keyring refuses it.
        """

    def errno_of(self, description: str) -> int:
        """The errno with which a load by this process would not get a key; 0: the load would get it."""

    def stays(self, description: str) -> bool:
        """Whether the keyring holds a key of this name that never expires."""

    def expire(self, description: str, timeout_s: int) -> None:
        """Have a key expire so many seconds from now.

        Raises:
            KeyringError: It is not there, or not for this process to change.
        """

    def drop(self, description: str) -> None:
        """Remove a key from the user keyring, if it is still there."""

    def read(self, key_type: str, description: str) -> SecretBuffer | None:
        """A key's bytes, as far as this kernel gives them out; None: it has no such key.

        Raises:
            KeyringError: The key is there, and cannot be read.
        """


class Kernel(Protocol):
    """A kernel that hands dm-crypt keys over: `restore` is the kdump kernel's call, the others the first's.

    A call that belongs to the other stage is refused with EPERM.
    """

    @property
    def is_this_machine(self) -> bool:
        """Whether it is the kernel that this process runs on, so that a crash takes this machine down."""

    @property
    def root(self) -> Path:
        """The root directory of the machine's files, by which the devices of a record are found."""

    @property
    def keys(self) -> Keys:
        """The keyrings that its loads take keys from.

        Raises:
            KeyringError: They cannot be used by this process.
        """

    def clock(self) -> float:
        """The machine's time, in seconds since the epoch."""

    def status(self) -> KernelStatus:
        """What can be seen; never fails because something is absent."""

    def record(self) -> LoadRecord | None:
        """What was written down of the loaded image; None: nothing that still counts, or no need to."""

    def alone(self, *, loading: bool = True) -> AbstractContextManager[Self]:
        """Keep other programs from naming keys meanwhile, and with `loading` from loading images too.

        Returns:
            This kernel, for as long as that lasts.

        Raises:
            KernelError: EBUSY: another program is at it.
        """

    def name(self, description: str, item: str | None = None) -> NamedKey:
        """Tell the kernel to hand over the logon key of this description with the next load.

        Args:
            description: The key's name, ``prefix:…``.
            item: The name of its directory; default: one derived from the description.

        Raises:
            KernelError: EINVAL: empty, too long, or too many; EEXIST: `item` is there already.
        """

    def forget(self, item: str) -> None:
        """Stop naming a key; the loaded image stays as it is.

        Raises:
            KernelError: ENOENT: there is no such item.
        """

    def complete(self, wanted: WantedImage) -> CrashImage:
        """The image to load: what was not asked for is found as the machine's own tools find it.

        Raises:
            KernelError: ENOENT: it is not found.
            UsageError: This machine's kernel or initramfs cannot be chosen.
        """

    def check_allowed(self) -> None:
        """Refuse where nobody may load an image any more.

        Raises:
            KernelError: EPERM: nobody may, until the machine restarts.
        """

    def check(self, image: CrashImage) -> None:
        """Refuse an image that no load would take, or no machine boot.

        Raises:
            KernelError: Why not.
        """

    def load(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
        """Load the kdump kernel, and the named keys with it.

        Args:
            image: What to load.
            origins: Which devices the keys are of, for the record.

        Raises:
            KernelError: ENOKEY, EKEYREVOKED, EACCES: a key is not available; EINVAL: an item without
                description or a key that is too long; EADDRNOTAVAIL: no room in the reserved memory; EPERM …
                The message says what is loaded now.
        """

    def unload(self) -> None:
        """Unload the image.

        Raises:
            KernelError: EPERM: not for this user.
        """

    def reuse(self, enabled: bool) -> None:
        """Have the next loads copy the keys of the previous image, instead of asking the keyring.

        Raises:
            KernelError: EINVAL: no image with keys is loaded.
        """

    def crash(self) -> None:
        """Crash the first kernel; on a real one this does not return.

        Raises:
            KernelError: EPERM: not for this user. EINVAL: no crash image is loaded, where that is checked.
        """

    def restore(self, description: str | None = None) -> Restored:
        """Put the keys into the keyring of the kdump kernel.

        Args:
            description: The name for a key that was handed over without one.

        Raises:
            KernelError: Only from an implementation that reports what Linux does not; or EPERM, ENOENT: not
                the kdump kernel.
        """

    def audit(self) -> Audit:
        """Where keys can be seen on the machine; nothing is changed."""
