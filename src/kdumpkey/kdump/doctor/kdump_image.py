"""The initramfs that the kdump kernel starts with: which file it is, and what is in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs
from kdumpkey.kernel.linux.kernel import file_stamp

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host
    from kdumpkey.host.system import System
    from kdumpkey.kernel.linux.record import RecordedImage

HOOK: Final = "crash_dm_crypt_keys"  # whatever asks for the keys back has to name this directory,
OUR_HOOK: Final = "--from-kdump"  # or to call this program
# What lists the devices that are opened: kdump-utils' rules, and kdump generate's table.
TABLE: Final = "/etc/kdumpkey/devices"
LISTS: Final = ("/70-luks-kdump.rules", TABLE)
_PLACES: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initramfs-{}kdump.img",
    "boot/initrd-{}kdump",
    "boot/initrdkdump",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initrd.img",
)
# These name it, and ask for nothing: kdump-utils' own library, this program's sources.
_NO_HOOK: Final = re.compile(r"(^|/)(kdump-lib[^/]*\.sh|kdump-udev-throttler|(?<!^etc/)kdumpkey/.*)$")


@dataclass(frozen=True)
class KdumpImage:
    """The initramfs.

    Attributes:
        place: Its path; empty: it is not to be found.
        searched: Whether there was anything where such files are, so that its absence is sure.
        content: What is in it; a text: why that cannot be told.
        changed: It is another file than the one that was loaded.
    """

    place: str
    searched: bool
    content: Initramfs | str
    changed: bool = False


def read_kdump_image(
    host: Host, system: System, devices: Sequence[CryptDevice], image: RecordedImage | None
) -> KdumpImage:
    """Read what is loaded, by the record; else what kdump's tools would load.

    Args:
        host: The machine.
        system: Its kernel.
        devices: What is to be opened in it.
        image: The files that are loaded, where that is sure.
    """
    place = _place(host, system, image)
    searched = bool(host.names("boot", "*") or host.names("var/lib/kdump", "*"))
    if not place or not devices:
        return KdumpImage(f"/{place}" if place else "", searched, "")
    words = (HOOK, OUR_HOOK, *(device.uuid for device in devices if device.uuid))
    try:
        path = host.path(place)
        content: Initramfs | str = read_initramfs(
            path,
            words,
            lambda name: _NO_HOOK.search(name) is not None,
            lambda name: f"/{name}".endswith(LISTS),
        )
        changed = image is not None and image.initrd_stamp != file_stamp(path)
    except (UnreadableInitramfsError, OSError) as error:
        content, changed = str(error).replace(str(host.root / place), f"/{place}"), False
        content = content.replace(str(host.root), "") if not host.is_here else content
    return KdumpImage(f"/{place}", searched, content, changed)


def _place(host: Host, system: System, image: RecordedImage | None) -> str:
    if image is not None:
        place = image.initrd.lstrip("/")
        return place if place and host.exists(place) else ""
    places = [place.format(system.release) for place in _PLACES]
    return next((place for place in places if host.exists(place)), "")
