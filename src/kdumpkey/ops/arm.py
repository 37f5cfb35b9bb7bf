"""Arming a machine: every key checked before anything is torn down, then all of them loaded, or none."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from kdumpkey.errors import KernelError, KeyringError, kernel_error
from kdumpkey.kdump.kernel import CrashImage, Kernel, KernelStatus, Loaded, Stage
from kdumpkey.keyring import SpecialKeyring, add_key, request_key, set_timeout
from kdumpkey.region.handover import LONGEST_DESCRIPTION, LONGEST_KEY, MOST_KEYS

if TYPE_CHECKING:
    from kdumpkey.secret import SecretBuffer

_INITRAMFS: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initramfs-{}kdump.img",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initramfs-tools/initrd.img-{}",
)
_NOT_FOR_KDUMP: Final = ("crashkernel=", "initrd=", "BOOT_IMAGE=", "hugepages=", "default_hugepagesz=")
_FOR_KDUMP: Final = ("irqpoll", "nr_cpus=1", "reset_devices", "panic=10")


class Keys(Protocol):
    """The keyring from which the kernel's load takes its keys."""

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> None:
        """Put a logon key into the user keyring, in place of one of that name; a timeout of 0 is never."""

    def finds(self, description: str) -> bool:
        """Whether a load by this process would find it."""


class LinuxKeys:
    """Linux's own keyring."""

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> None:
        """Put a logon key into @u; see `Keys`."""
        serial = add_key("logon", description, key, SpecialKeyring.USER)
        if timeout_s:
            set_timeout(serial, timeout_s)

    def finds(self, description: str) -> bool:
        """Search as the kernel's load does: thread, process and session keyring; see `Keys`."""
        try:
            request_key("logon", description)
        except KeyringError:
            return False
        return True


@dataclass(frozen=True)
class KeyToArm:
    """A volume key that was checked against its device, and the name to hand it over by."""

    description: str
    key: SecretBuffer


def arm(
    kernel: Kernel, keys: Keys, wanted: Sequence[KeyToArm], image: CrashImage, *, timeout_s: int = 0
) -> Loaded:
    """Load a crash image that holds all of the keys; the items that name them are removed again.

    It may be run again at any time, also after it was killed: items that it left are taken up.

    Args:
        kernel: The first kernel.
        keys: Where its load looks.
        wanted: The keys.
        image: What to load.
        timeout_s: When the keys leave the keyring; 0: never. The image keeps them.

    Raises:
        KernelError: Something would fail, found before the loaded image was lost; or the load failed, and the
            message says whether an image is loaded now.
        KeyringError: A key cannot be put into the keyring.
    """
    before = ready(kernel)
    _check_names(wanted)
    for each in wanted:
        keys.put(each.description, each.key, timeout_s)
    described = {key.description for key in before.named}
    if None in described:
        item = next(key.item for key in before.named if key.description is None)
        raise kernel_error(errno.EINVAL, f"the item {item} has no description; kdump forget {item} first")
    names = sorted(described.union(each.description for each in wanted) - {None}, key=str)
    if len(names) > MOST_KEYS:
        raise kernel_error(
            errno.EINVAL, f"{len(names)} keys would be named, {MOST_KEYS} are restored at most"
        )
    for name in names:
        if not keys.finds(str(name)):
            raise kernel_error(
                errno.ENOKEY,
                f"a load by this process would not find the key {name}. If its session keyring does not lead "
                "to root's: keyctl link @u @s",
            )
    made: list[str] = []
    try:
        for each in wanted:
            if each.description not in described:
                made.append(kernel.name(each.description).item)
        return _load(kernel, image, {str(name) for name in names})
    finally:
        ours = {each.description for each in wanted}
        left = [key.item for key in kernel.status().named if key.description in ours]
        for item in sorted({*made, *left}):
            kernel.forget(item)


def ready(kernel: Kernel) -> KernelStatus:
    """Refuse a kernel that takes no keys now; worth asking before anybody types a passphrase.

    Raises:
        KernelError: EPERM: it is the kdump kernel; ENOENT: it has no interface; EINVAL: reuse is set.
    """
    before = kernel.status()
    if before.stage is not Stage.FIRST:
        raise kernel_error(errno.EPERM, "this is the kdump kernel")
    if before.interface is None:
        raise kernel_error(errno.ENOENT, f"this kernel takes no keys: {'; '.join(before.warnings)}")
    if before.reuse:
        raise kernel_error(
            errno.EINVAL, "reuse is set, the keyring would not be asked; kdump reuse off first"
        )
    return before


def _check_names(wanted: Sequence[KeyToArm]) -> None:
    if not wanted:
        raise kernel_error(errno.EINVAL, "no key is to be handed over")
    if len({each.description for each in wanted}) != len(wanted):
        raise kernel_error(errno.EINVAL, "two keys have the same name")
    for each in wanted:
        # A longer description is cut, and the key then never found; a logon key has a prefix.
        if len(each.description.encode()) >= LONGEST_DESCRIPTION or ":" not in each.description[1:]:
            raise kernel_error(errno.EINVAL, f"no load would find a key by the name {each.description!r}")
        if len(each.key) > LONGEST_KEY:
            raise kernel_error(errno.EINVAL, f"the key {each.description} is longer than {LONGEST_KEY} bytes")


def _load(kernel: Kernel, image: CrashImage, names: set[str]) -> Loaded:
    status = kernel.status()
    if {key.description for key in status.named} != names or status.reuse:
        raise kernel_error(errno.EAGAIN, "another program changed what is named; nothing was loaded")
    try:
        return kernel.load(image)
    except KernelError as error:
        now = (
            "The image that was loaded before still is."
            if kernel.status().loaded
            else "No crash image is loaded now."
        )
        raise kernel_error(error.errno, f"{error.reason}\n{now}") from error


def find_image(root: Path, release: str) -> CrashImage:
    """The kdump kernel that kdump's own tools would load: the running one, with the kdump initramfs.

    Raises:
        KernelError: ENOENT: there is none; the options that name one help.
    """
    kernel = root / f"boot/vmlinuz-{release}"
    initrd = next(
        (root / name.format(release) for name in _INITRAMFS if (root / name.format(release)).exists()), None
    )
    if not kernel.exists() or initrd is None:
        missing = "kdump initramfs" if kernel.exists() else str(kernel)
        raise kernel_error(errno.ENOENT, f"there is no {missing}; name it with --kernel and --initrd")
    words = (root / "proc/cmdline").read_text(encoding="utf-8", errors="surrogateescape").split()
    kept = [word for word in words if not word.startswith(_NOT_FOR_KDUMP)]
    return CrashImage(kernel, initrd, " ".join([*kept, *(word for word in _FOR_KDUMP if word not in kept)]))
