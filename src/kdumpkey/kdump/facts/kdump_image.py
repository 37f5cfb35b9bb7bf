"""The initramfs that the kdump kernel starts with: which file it is, and what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.host.blocks import root_devices
from kdumpkey.host.configfs import NAME
from kdumpkey.host.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs
from kdumpkey.host.kdump_files import INITRAMFS
from kdumpkey.host.uki import INITRD, read_sections, section_in_memory
from kdumpkey.kernel.record import file_stamp

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host
    from kdumpkey.host.system import System
    from kdumpkey.kernel.record import RecordedImage

HOOK: Final = NAME  # every program that restores the keys names this directory,
OUR_HOOKS: Final = ("kdumpkey-capture", "--from-kdump")  # or calls this program
# What lists the devices that are opened: kdump-utils' rules, and kdump generate's table.
TABLE: Final = "/etc/kdumpkey/devices"
LISTS: Final = ("/70-luks-kdump.rules", TABLE)
# What mounts configfs in there, apart from systemd's unit.
MOUNTING: Final = ("-t configfs", "configfs /sys/kernel/config", "/sys/kernel/config configfs")
_TABLES: Final = ("etc/crypttab", "etc/cmdline")
_ARGUMENTS: Final = "etc/cmdline.d/"
# These name the directory without restoring keys: kdump-utils' own library, and this program's sources.
_NO_HOOK: Final = re.compile(r"(^|/)(kdump-lib[^/]*\.sh|kdump-udev-throttler|(?<!^etc/)kdumpkey/.*)$")


@dataclass(frozen=True)
class KdumpImage:
    """The initramfs.

    Attributes:
        path: Its path; empty: it cannot be found.
        searched: Whether there was anything where such files are, so that its absence is sure.
        content: What is in it; a text: why that cannot be told.
        changed: It is another file than the one that was loaded.
        modified_at: When it was made, in seconds since the epoch; None: that cannot be told.
        others_at: The same of those of other kernels.
        waits_for: The encrypted devices that it opens by a passphrase, though no dump has to pass them.
    """

    path: str
    searched: bool
    content: Initramfs | str
    changed: bool = False
    modified_at: float | None = None
    others_at: tuple[float, ...] = ()
    waits_for: tuple[CryptDevice, ...] = ()


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
    relative = _relative_path(host, system, image)
    searched = bool(host.names("boot", "*") or host.names("var/lib/kdump", "*"))
    if not relative:
        return KdumpImage("", searched, "")
    read = KdumpImage(
        f"/{relative}",
        searched,
        "",
        modified_at=_modified_at(host, relative),
        others_at=_others_at(host, relative),
        waits_for=_waits_for(host, relative, devices, image),
    )
    return _with_content(host, read, devices, image) if devices else read


def _with_content(
    host: Host, read: KdumpImage, devices: Sequence[CryptDevice], image: RecordedImage | None
) -> KdumpImage:
    relative = read.path.lstrip("/")
    words = (HOOK, *OUR_HOOKS, *MOUNTING, *(device.uuid for device in devices if device.uuid))
    try:
        path = host.path(relative)
        content: Initramfs | str = _read(
            path,
            words,
            lambda name: _NO_HOOK.search(name) is not None,
            lambda name: f"/{name}".endswith(LISTS),
        )
        stamp = (image.initrd_stamp if image.initrd else image.kernel_stamp) if image is not None else None
        changed = stamp is not None and stamp != file_stamp(path)
    except (UnreadableInitramfsError, OSError) as error:
        said = f"Cannot read /{relative}: {error.strerror}." if isinstance(error, OSError) else str(error)
        content, changed = said.replace(str(host.root / relative), f"/{relative}"), False
        content = content.replace(str(host.root), "") if not host.is_here else content
    return replace(read, content=content, changed=changed)


def _modified_at(host: Host, relative: str) -> float | None:
    try:
        return host.path(relative).stat().st_mtime
    except OSError:
        return None


def _others_at(host: Host, relative: str) -> tuple[float, ...]:
    """When those of other kernels were made."""
    folder = relative.rpartition("/")[0]
    found = [_modified_at(host, f"{folder}/{name}") for name in host.names(folder, "*kdump*")]
    return tuple(each for each in found if each is not None)


def _waits_for(
    host: Host, relative: str, devices: Sequence[CryptDevice], image: RecordedImage | None
) -> tuple[CryptDevice, ...]:
    """The devices beneath the machine's root whose passphrase it would ask for, as at every boot.

    Source: dracut's 90crypt and 90systemd-cryptsetup, which put crypttab and rd.luks.uuid into the image;
    openshift/os#1632.
    """
    known = {device.uuid for device in devices}
    others = [device for device in root_devices(host) if device.uuid and device.uuid not in known]
    words = {device.uuid: (device.uuid, *_named_in_tables(device)) for device in others}
    if not others:
        return ()
    try:
        found = _read(
            host.path(relative),
            tuple(word for each in words.values() for word in each),
            lambda _: False,
            lambda name: name in _TABLES or name.startswith(_ARGUMENTS),
        )
    except (UnreadableInitramfsError, OSError):
        return ()
    opens = found.has("/systemd-cryptsetup", "bin/cryptsetup", "/cryptroot-ask")
    line = image.command_line if image is not None and opens else ""
    asked = [word.lower() for word in line.split() if word.startswith(("rd.luks.", "luks."))]
    return tuple(
        device
        for device in others
        if not found.listed.isdisjoint(words[device.uuid])
        or any(device.uuid in word for word in asked if "options=" not in word)
    )


def _named_in_tables(device: CryptDevice) -> tuple[str, ...]:
    """Its other names in crypttab that cannot mean another device."""
    return tuple(name for name in device.aliases if name.startswith("PART") or "/by-" in name)


def _relative_path(host: Host, system: System, image: RecordedImage | None) -> str:
    if image is not None:
        # A unified kernel image brings its own initramfs, if no other was named.
        relative = (image.initrd or image.kernel).lstrip("/")
        return (
            relative
            if relative and host.exists(relative) and (image.initrd or _brought(host, relative))
            else ""
        )
    paths = [relative.format(system.release) for relative in INITRAMFS]
    return next((relative for relative in paths if host.exists(relative)), "")


def _brought(host: Host, relative: str) -> bool:
    """Whether a kernel is a unified image with an initramfs."""
    try:
        return INITRD in read_sections(host.path(relative))
    except OSError:
        return False


def _read(
    path: Path, words: tuple[str, ...], ignored: Callable[[str], bool], lists: Callable[[str], bool]
) -> Initramfs:
    """Read an initramfs, or the one in a unified kernel image."""
    section = read_sections(path).get(INITRD)
    if section is None:
        return read_initramfs(path, words, ignored, lists)
    with section_in_memory(path, section) as file:
        held = Path(f"/proc/self/fd/{file}")
        try:
            return read_initramfs(held, words, ignored, lists)
        except UnreadableInitramfsError as error:
            raise UnreadableInitramfsError(str(error).replace(str(held), str(path))) from error
